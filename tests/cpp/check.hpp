// A test runner in forty lines: TEST(name) { CHECK(condition); } and one run_tests() in main.
#pragma once
#include <cstdio>
#include <exception>
#include <vector>

namespace check {

struct Test {
  const char* name;
  void (*body)();
};
inline std::vector<Test>& tests() {
  static std::vector<Test> all;
  return all;
}
inline bool& failing() {
  static bool flag = false;
  return flag;
}
struct Registration {
  Registration(const char* name, void (*body)()) { tests().push_back({name, body}); }
};
inline void require(bool holds, const char* text, const char* file, int line) {
  if (holds) return;
  failing() = true;
  std::printf("%s:%d: not true: %s\n", file, line, text);
}
inline int run_tests() {
  int passed = 0, failed = 0;
  for (const Test& test : tests()) {
    failing() = false;
    try {
      test.body();
    } catch (const std::exception& error) {
      require(false, error.what(), test.name, 0);
    }
    if (failing()) std::printf("FAILED %s\n", test.name);
    ++(failing() ? failed : passed);
  }
  std::printf("%d passed, %d failed\n", passed, failed);
  return failed || !passed;
}

}  // namespace check

#define TEST(name)                                                  \
  static void name();                                               \
  static const check::Registration name##_registration(#name, name); \
  static void name()
#define CHECK(...) check::require((__VA_ARGS__), #__VA_ARGS__, __FILE__, __LINE__)
