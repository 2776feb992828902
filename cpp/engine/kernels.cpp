#include "kernels.hpp"

#include "vector_math.hpp"

namespace lawfit {

namespace {

template <Op O> LAWFIT_INLINE V apply(V a, V b, V c) {
  const V zero = broadcast(0.0), one = broadcast(1.0);
  (void)zero; (void)one; (void)b; (void)c;
  if constexpr (O == Op::ADD) return a + b;
  else if constexpr (O == Op::SUB) return a - b;
  else if constexpr (O == Op::MUL) return a * b;
  else if constexpr (O == Op::DIV) return a / b;
  else if constexpr (O == Op::NEG) return -a;
  else if constexpr (O == Op::EXP) return v_exp(a);
  else if constexpr (O == Op::LOG) return v_log(a);
  else if constexpr (O == Op::LOG1P) return v_log1p(a);
  else if constexpr (O == Op::EXPM1) return v_expm1(a);
  else if constexpr (O == Op::SQRT) return vsqrt(a);
  else if constexpr (O == Op::ABS) return vabs(a);
  else if constexpr (O == Op::SIN) return v_sin(a);
  else if constexpr (O == Op::COS) return v_cos(a);
  else if constexpr (O == Op::ARCTAN) return v_arctan(a);
  else if constexpr (O == Op::TANH) return v_tanh(a);
  else if constexpr (O == Op::ERF) return v_erf(a);
  else if constexpr (O == Op::NORMCDF) return v_normcdf(a);
  else if constexpr (O == Op::LOGISTIC) return v_logistic(a);
  else if constexpr (O == Op::GAMMALN) return v_gammaln(a);
  else if constexpr (O == Op::LOGADDEXP) return v_logaddexp(a, b);
  // Minimum and maximum keep a NaN from either side, as NumPy's do.
  else if constexpr (O == Op::MIN) return select(a <= b, a, select(is_nan(a), a, b));
  else if constexpr (O == Op::MAX) return select(a >= b, a, select(is_nan(a), a, b));
  else if constexpr (O == Op::MUL0) return select(a == zero, zero, select(b == zero, zero, a * b));
  else if constexpr (O == Op::NMUL0) return select(a == zero, zero, select(b == zero, zero, -(a * b)));
  else if constexpr (O == Op::DIV0) return select(a == zero, zero, a / b);
  else if constexpr (O == Op::BETALN) return v_betaln(a, b);
  else if constexpr (O == Op::LESS) return select(a < b, one, zero);
  else if constexpr (O == Op::LESS_EQUAL) return select(a <= b, one, zero);
  else if constexpr (O == Op::EQUAL) return select(a == b, one, zero);
  else if constexpr (O == Op::WHERE) return select(a != zero, b, c);
  else if constexpr (O == Op::SIGN) return v_sign(a);
  else if constexpr (O == Op::DIGAMMA) return v_digamma(a);
  else if constexpr (O == Op::TRIGAMMA) return v_trigamma(a);
  else if constexpr (O == Op::TETRAGAMMA) return v_tetragamma(a);
  else if constexpr (O == Op::DIGAMMA_GAP) return v_digamma_gap(a, b);
  else if constexpr (O == Op::TRIGAMMA_GAP) return v_trigamma_gap(a, b);
  else if constexpr (O == Op::RECIPROCAL) return one / a;
  else if constexpr (O == Op::SQUARE) return a * a;
  else if constexpr (O == Op::FMA) return fma(a, b, c);
  else if constexpr (O == Op::FNMA) return fnma(a, b, c);
  else if constexpr (O == Op::NMUL) return -(a * b);
  else return v_exp(a * b);   // EXPMUL
}

template <Op O, bool kA, bool kB, bool kC>
void loop(double* __restrict out, const double* __restrict a, const double* __restrict b, const double* __restrict c, int count) {
  const V zero = broadcast(0.0);
  V x = kA ? load(a) : zero, y = kB ? load(b) : zero, z = kC ? load(c) : zero;
  if constexpr (O == Op::MUL0 || O == Op::NMUL0) {   // 0*inf is rare: all go unguarded, and once more if one is no number
    L odd = broadcast_bits(0);
    for (int k = 0; k < count; ++k) {
      if constexpr (!kA) x = load(a + k * W);
      if constexpr (!kB) y = load(b + k * W);
      const V product = O == Op::MUL0 ? fma(x, y, zero) : fnma(x, y, zero);   // adds zero to have its sign
      odd |= is_nan(product);
      store(out + k * W, product);
    }
    if (!any(odd)) return;
  }
  for (int k = 0; k < count; ++k) {
    if constexpr (!kA) x = load(a + k * W);
    if constexpr (!kB) y = load(b + k * W);
    if constexpr (!kC) z = load(c + k * W);
    store(out + k * W, apply<O>(x, y, z));
  }
}

template <Op O> Kernel unary() { return loop<O, false, true, true>; }
template <Op O> Kernel binary(bool a, bool b) {
  return a ? loop<O, true, false, true> : b ? loop<O, false, true, true> : loop<O, false, false, true>;
}
template <Op O> Kernel ternary(bool a, bool b, bool c) {
  if (a && b) return loop<O, true, true, false>;
  if (a) return c ? loop<O, true, false, true> : loop<O, true, false, false>;
  if (b) return c ? loop<O, false, true, true> : loop<O, false, true, false>;
  return c ? loop<O, false, false, true> : loop<O, false, false, false>;
}

}  // namespace

Kernel kernel(Op op, bool a, bool b, bool c) {
  switch (op) {
#define UNARY(name) case Op::name: return unary<Op::name>();
#define BINARY(name) case Op::name: return binary<Op::name>(a, b);
#define TERNARY(name) case Op::name: return ternary<Op::name>(a, b, c);
    BINARY(ADD) BINARY(SUB) BINARY(MUL) BINARY(DIV) BINARY(LOGADDEXP) BINARY(MIN) BINARY(MAX)
    BINARY(MUL0) BINARY(DIV0) BINARY(BETALN) BINARY(LESS) BINARY(LESS_EQUAL) BINARY(EQUAL)
    BINARY(NMUL) BINARY(NMUL0) BINARY(EXPMUL) BINARY(DIGAMMA_GAP) BINARY(TRIGAMMA_GAP)
    TERNARY(FMA) TERNARY(FNMA) TERNARY(WHERE)
    UNARY(NEG) UNARY(EXP) UNARY(LOG) UNARY(LOG1P) UNARY(EXPM1) UNARY(SQRT) UNARY(ABS) UNARY(SIN) UNARY(COS)
    UNARY(ARCTAN) UNARY(TANH) UNARY(ERF) UNARY(NORMCDF) UNARY(LOGISTIC) UNARY(GAMMALN) UNARY(SIGN)
    UNARY(DIGAMMA) UNARY(TRIGAMMA) UNARY(TETRAGAMMA) UNARY(RECIPROCAL) UNARY(SQUARE)
    default: return nullptr;   // leaves and lowered operations never become instructions
  }
}

}  // namespace lawfit
