// What intake refused, as HTTP says it. Pure.
#pragma once
#include <cstdint>

#include "mta/intake/accept.h"
#include "relay-api/problem.h"

namespace relay::api {

// `retry_after`: seconds, for what passes and does not say when.
Problem refusal_problem(const intake::Refusal& refusal, std::uint32_t retry_after);

}  // namespace relay::api
