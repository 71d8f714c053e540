// What the sources that use OpenSSL share: owners of its objects, and its errors as words. Not for headers.
#pragma once
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace relay::net {

struct OpensslFree {
  void operator()(BIO* p) const { BIO_free(p); }
  void operator()(BIO_METHOD* p) const { BIO_meth_free(p); }
  void operator()(EVP_PKEY* p) const { EVP_PKEY_free(p); }
  void operator()(SSL* p) const { SSL_free(p); }
  void operator()(SSL_CTX* p) const { SSL_CTX_free(p); }
  void operator()(SSL_SESSION* p) const { SSL_SESSION_free(p); }
  void operator()(X509* p) const { X509_free(p); }
  void operator()(STACK_OF(X509) * p) const { sk_X509_pop_free(p, X509_free); }
  void operator()(GENERAL_NAMES* p) const { sk_GENERAL_NAME_pop_free(p, GENERAL_NAME_free); }
};
template <class T>
using Openssl = std::unique_ptr<T, OpensslFree>;

// What this thread's queue of errors holds, innermost reason first; it is empty afterwards.
std::string take_openssl_errors(std::string_view otherwise);

// The hosts a certificate is for, by its subjectAltName, in lower case; "*.example.com" for the leftmost
// label. Otherwise as they stand in it, from whomever it comes.
std::vector<std::string> names_of(X509* certificate);

}  // namespace relay::net
