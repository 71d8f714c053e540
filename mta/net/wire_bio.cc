#include "mta/net/wire_bio.h"

#include <algorithm>

#include "mta/base/result.h"

namespace relay::net {
namespace {

Wire& wire_of(BIO* bio) { return *static_cast<Wire*>(BIO_get_data(bio)); }

int write(BIO* bio, const char* data, std::size_t size, std::size_t* written) {
  BIO_clear_retry_flags(bio);
  wire_of(bio).out.append(data, size);
  *written = size;
  return 1;
}

// Nothing there means "not yet", never the end.
int read(BIO* bio, char* data, std::size_t size, std::size_t* taken) {
  BIO_clear_retry_flags(bio);
  std::string_view& in = wire_of(bio).in;
  *taken = std::min(size, in.size());
  if (*taken == 0) {
    BIO_set_retry_read(bio);
    return -1;
  }
  in.copy(data, *taken);
  in.remove_prefix(*taken);
  return 1;
}

long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

}  // namespace

Openssl<BIO_METHOD> make_wire_method() {
  Openssl<BIO_METHOD> method(BIO_meth_new(BIO_TYPE_SOURCE_SINK, "relay's wire"));
  RELAY_ASSERT(method && BIO_meth_set_write_ex(method.get(), write) == 1 &&
               BIO_meth_set_read_ex(method.get(), read) == 1 &&
               BIO_meth_set_ctrl(method.get(), control) == 1);
  return method;
}

BIO* make_wire_bio(const BIO_METHOD* method, Wire& wire) {
  BIO* bio = BIO_new(method);
  RELAY_ASSERT(bio != nullptr);
  BIO_set_data(bio, &wire);
  BIO_set_init(bio, 1);
  return bio;
}

}  // namespace relay::net
