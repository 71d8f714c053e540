// WireBio: OpenSSL's view of the wire, over memory. It reads straight from what was received and writes into
// a string that is handed on, so that an idle session keeps no buffer; OpenSSL's own memory BIO keeps the
// largest it ever needed. Not for headers.
#pragma once
#include <string>
#include <string_view>

#include "mta/net/openssl.h"

namespace relay::net {

struct Wire {
  std::string_view in;  // valid during one call into OpenSSL; what was read is cut off
  std::string out;
};

Openssl<BIO_METHOD> make_wire_method();
// Owned by the SSL it is given to. `method` and `wire` outlive it.
BIO* make_wire_bio(const BIO_METHOD* method, Wire& wire);

}  // namespace relay::net
