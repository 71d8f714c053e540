#include "mta/net/openssl.h"

#include <openssl/err.h>

#include <cstring>

#include "mta/wire/ascii.h"

namespace relay::net {
namespace {

// A name the relay can choose by: a host's, or a wildcard for the whole leftmost label.
bool usable_name(std::string_view name) {
  if (name.starts_with("*.")) name.remove_prefix(2);
  return !name.empty() && name.find_first_of(std::string_view("*\0", 2)) == std::string_view::npos;
}

}  // namespace

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

std::vector<std::string> names_of(X509* certificate) {
  std::vector<std::string> names;
  const Openssl<GENERAL_NAMES> all(
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)));
  for (int i = 0; all && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(all.get(), i);
    if (name->type != GEN_DNS) continue;
    const auto* text = reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName));
    std::string one = wire::lower_case({text, static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
    if (usable_name(one)) names.push_back(std::move(one));
  }
  return names;
}

}  // namespace relay::net
