// Self-signed certificates made for one test, each in a directory of its own that goes with it.
#pragma once
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "mta/base/result.h"
#include "mta/net/tls.h"

namespace relay::net::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "relay-net-XXXXXX").string();
    RELAY_ASSERT(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::shared_ptr<TlsContext> server_context(std::shared_ptr<const CertificateStore> certificates,
                                                  const std::string& listener = "test", Instant now = {}) {
  auto made = TlsContext::server(std::move(certificates), listener, now);
  RELAY_ASSERT(made.has_value());
  return *made;
}

// How a certificate is to be.
struct CertificateOptions {
  std::string host = "mail.example";           // its common name
  std::string names = {};                      // its subjectAltName: "DNS:a.example, DNS:*.b.example"
  long begins_s = -3600, ends_s = 90 * 86400;  // from now
  bool rsa = false;                            // else an elliptic curve's
};

class Certificate {
 public:
  explicit Certificate(const CertificateOptions& options = {}) { make(options); }
  // Another in its place.
  void make(const CertificateOptions& options) {
    std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)> key(
        options.rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256"), &EVP_PKEY_free);
    std::unique_ptr<X509, decltype(&X509_free)> cert(X509_new(), &X509_free);
    RELAY_ASSERT(key && cert);
    X509_set_version(cert.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), options.begins_s);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), options.ends_s);
    X509_set_pubkey(cert.get(), key.get());
    X509_NAME* name = X509_get_subject_name(cert.get());
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(options.host.c_str()), -1, -1, 0);
    X509_set_issuer_name(cert.get(), name);
    if (!options.names.empty()) {
      const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> names(
          X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, options.names.c_str()),
          &X509_EXTENSION_free);
      RELAY_ASSERT(names && X509_add_ext(cert.get(), names.get(), -1) == 1);
    }
    RELAY_ASSERT(X509_sign(cert.get(), key.get(), EVP_sha256()) > 0);
    write(certificate_file(), [&](FILE* f) { return PEM_write_X509(f, cert.get()); });
    write(key_file(),
          [&](FILE* f) { return PEM_write_PrivateKey(f, key.get(), nullptr, nullptr, 0, nullptr, nullptr); });
  }
  std::string certificate_file() const { return directory_.file("cert.pem"); }
  std::string key_file() const { return directory_.file("key.pem"); }
  const TemporaryDirectory& directory() const { return directory_; }
  CertificateFiles files() const { return {certificate_file(), key_file()}; }
  std::shared_ptr<TlsContext> server(const std::string& listener = "test") const {
    auto store = CertificateStore::open({files()}, system_wall());
    RELAY_ASSERT(store.has_value());
    return server_context(*store, listener);
  }

 private:
  template <class F>
  static void write(const std::string& file, F f) {
    std::unique_ptr<FILE, decltype(&std::fclose)> out(std::fopen(file.c_str(), "w"), &std::fclose);
    RELAY_ASSERT(out && f(out.get()) == 1);
  }
  TemporaryDirectory directory_;
};

inline std::shared_ptr<TlsContext> client_context(const TlsClientSettings& settings = {}) {
  auto made = TlsContext::client(settings);
  RELAY_ASSERT(made.has_value());
  return *made;
}

}  // namespace relay::net::test
