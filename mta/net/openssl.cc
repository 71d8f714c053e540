#include "mta/net/openssl.h"

#include <openssl/err.h>

#include <cstring>

namespace relay::net {

std::string take_openssl_errors(std::string_view otherwise) {
  std::string all;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason =
        ERR_SYSTEM_ERROR(code) ? std::strerror(ERR_GET_REASON(code)) : ERR_reason_error_string(code);
    if (reason == nullptr || std::string_view(reason).ends_with(" lib")) continue;  // only where it came by
    if (!all.empty()) all += ", ";
    all += reason;
  }
  return all.empty() ? std::string(otherwise) : all;
}

}  // namespace relay::net
