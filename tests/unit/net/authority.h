// Certificates that others have signed, made for one test: authorities, intermediates and hosts, as servers
// show them and as TLSA records name them.
#pragma once
#include <openssl/x509v3.h>

#include <memory>
#include <string>
#include <vector>

#include "mta/net/openssl.h"
#include "mta/net/tls.h"
#include "tests/unit/net/certificate.h"

namespace relay::net::test {

struct Issue {
  std::string common_name;
  std::string names = {};  // subjectAltName: "DNS:mail.example"
  std::string usage = {};  // extendedKeyUsage: "serverAuth"
  bool authority = false;
  long ends_s = 90 * 86400;
};

class Issued {
 public:
  // By itself if there is no issuer.
  explicit Issued(const Issue& what, const Issued* by = nullptr)
      : key_(EVP_EC_gen("P-256")), certificate_(X509_new()) {
    static long serial = 0;
    X509* c = certificate_.get();
    const X509* issuer = by != nullptr ? by->certificate_.get() : c;
    X509_set_version(c, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(c), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(c), -2 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(c), what.ends_s);
    X509_set_pubkey(c, key_.get());
    X509_NAME_add_entry_by_txt(X509_get_subject_name(c), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(what.common_name.c_str()), -1, -1, 0);
    X509_set_issuer_name(c, X509_get_subject_name(issuer));
    extend(NID_basic_constraints, what.authority ? "critical,CA:TRUE" : "CA:FALSE");
    if (!what.names.empty()) extend(NID_subject_alt_name, what.names);
    if (!what.usage.empty()) extend(NID_ext_key_usage, what.usage);
    RELAY_ASSERT(X509_sign(c, by != nullptr ? by->key_.get() : key_.get(), EVP_sha256()) > 0);
  }

  std::string pem() const {
    return text([&](BIO* out) { return PEM_write_bio_X509(out, certificate_.get()); });
  }
  std::string key_pem() const {
    return text([&](BIO* out) {
      return PEM_write_bio_PrivateKey(out, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  // The association data of a TLSA record (RFC 6698 2.1).
  wire::TlsaRecord tlsa(std::uint8_t usage, std::uint8_t selector, std::uint8_t matching) const {
    unsigned char* der = nullptr;
    const int size = selector == 0 ? i2d_X509(certificate_.get(), &der)
                                   : i2d_X509_PUBKEY(X509_get_X509_PUBKEY(certificate_.get()), &der);
    RELAY_ASSERT(size > 0);
    std::string data(reinterpret_cast<char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
    if (matching != 0) {
      unsigned char digest[EVP_MAX_MD_SIZE];
      unsigned length = 0;
      EVP_Digest(data.data(), data.size(), digest, &length, matching == 1 ? EVP_sha256() : EVP_sha512(),
                 nullptr);
      data.assign(reinterpret_cast<char*>(digest), length);
    }
    return {usage, selector, matching, data};
  }

 private:
  void extend(int what, const std::string& value) {
    const std::unique_ptr<X509_EXTENSION, decltype(&X509_EXTENSION_free)> extension(
        X509V3_EXT_conf_nid(nullptr, nullptr, what, value.c_str()), &X509_EXTENSION_free);
    RELAY_ASSERT(extension && X509_add_ext(certificate_.get(), extension.get(), -1) == 1);
  }
  template <class F>
  static std::string text(F write) {
    const Openssl<BIO> out(BIO_new(BIO_s_mem()));
    RELAY_ASSERT(write(out.get()) == 1);
    char* data = nullptr;
    const long size = BIO_get_mem_data(out.get(), &data);
    return {data, static_cast<std::size_t>(size)};
  }
  Openssl<EVP_PKEY> key_;
  Openssl<X509> certificate_;
};

// The PEM file of these, for TlsClientSettings or a server.
inline std::string pem_file(const TemporaryDirectory& directory, const std::string& name,
                            const std::string& pem) {
  std::unique_ptr<FILE, decltype(&std::fclose)> out(std::fopen(directory.file(name).c_str(), "w"),
                                                    &std::fclose);
  RELAY_ASSERT(out && std::fwrite(pem.data(), 1, pem.size(), out.get()) == pem.size());
  return directory.file(name);
}

inline std::shared_ptr<TlsContext> server_showing(const TemporaryDirectory& directory, const Issued& host,
                                                  const std::vector<const Issued*>& chain) {
  std::string pem = host.pem();
  for (const Issued* c : chain) pem += c->pem();
  auto store = CertificateStore::open(
      {{pem_file(directory, "cert.pem", pem), pem_file(directory, "key.pem", host.key_pem())}},
      system_wall());
  RELAY_ASSERT(store.has_value());
  return server_context(*store);
}

}  // namespace relay::net::test
