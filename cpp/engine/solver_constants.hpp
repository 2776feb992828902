// Constants of the solver, each with what it decides. All are free of units.
#pragma once

namespace lawfit {

// Damping.
constexpr double kFirstDampingFar = 1e-4, kFirstDampingFinish = 1e-9;
constexpr double kDampingFloorFar = 1e-14, kDampingFloorFinish = 1e-3;   // least damping where the step's own curvature does not tell
constexpr double kCautiousDamping = 1e2;     // a given start walked from in short steps
constexpr double kGaussDamping = 1e-3;       // reweighted steps after Newton failed
constexpr double kProjectedDamping = 1e-2;   // of linear parameters that a projection sets right, of what it would be
constexpr double kMostPatience = 8;          // good reweighted steps before Newton is tried again
constexpr double kNewtonLimit = 1e-2;        // Newton that needs more damping than this is left
constexpr double kNearSaddle = 1e-4;         // scaled step below which an indefinite matrix is that of a saddle
constexpr double kSaddleDamping = 1e-6;      // first damping there
constexpr double kMostOfItself = 0.5;        // a parameter is multiplied by steps up to this fraction of it
constexpr double kFinishFloor = 1e-6;        // damping of nonlinear parameters, of the energy per O(1) change

// Far phase.
constexpr double kLongestFarStep = 1.5;      // in e-folds, or in O(1) changes of an exponent
constexpr double kSlowDecrease = 1e-2;       // relative decrease that counts as slow
constexpr int kSlowSteps = 3;                // slow steps before the finish takes over
constexpr double kFastRate = 0.2;            // each step this fraction of the last: no need of second derivatives
constexpr double kLeastRate = 1e-2;          // shrinking faster than this is not counted on
constexpr double kSmallGain = 1e-7;          // relative decrease that a step may bring unseen
constexpr double kFarOrthogonal = 0.03;      // cosine of residuals and columns that is good enough to hand over

// Detours around where the linear and the nonlinear part of a law hinder each other.
constexpr double kBeforeZero = 1e-2, kBeyondZero = 0.1;   // of an O(1) change: an exponent this close to zero goes that far beyond
constexpr double kFarStep = 1e-2;            // of a nonlinear parameter: failed steps below it are the last digits' affair
constexpr double kPatience = 24, kStretch = 8;           // iterations before the first leap, and between two
constexpr double kFirstLeap = 4, kLeastLeap = 2, kLongestLeap = 256;   // their lengths, in what those between went
constexpr double kShorterLeap = 0.25;        // the next one after one that led nowhere
constexpr double kLeastStride = 1e-6;                    // scaled step below which a lane is arriving, not crawling
constexpr double kUnderWay = 5;              // iterations after which a lane before zero is stuck there
constexpr double kNearby = 2;                // times the objective: a failed step up to there has not gone far astray
constexpr double kDetourTries = 3;           // evaluations that a detour may take to become better

constexpr double kFarShift = 200, kMostLogarithm = 700;   // shift of an amplitude's logarithm by centring that is looked at, and what it may become

// Convergence.
constexpr double kScaleFactor = 0.1;         // continuation: the loss scale shrinks by this
constexpr double kKinkWidth = 1e-12;         // of the typical residual: smoothing left at kinks
constexpr double kStalledSize = 1e-6;        // scaled step below which a stop at rounding is convergence
constexpr double kLittleHeldBack = 0.1;      // damping that a settled fit may have, of the least curvature
constexpr double kOrthogonal = 1e-3;         // cosine of residuals and Jacobian columns at an optimum
constexpr double kPerfect = 2e-12;           // relative residuals that may be all rounding: no direction in them
constexpr double kNoInfluence = 1e-12;       // relative change of fitted values per relative change
constexpr double kRounding = 2.3e-16;

}  // namespace lawfit
