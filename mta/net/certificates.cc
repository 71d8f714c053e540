#include "mta/net/certificates.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "mta/net/openssl.h"

namespace relay::net {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::unexpected<Error> unusable(std::string_view what, const std::string& file) {
  return fail(Errc::invalid, "the " + std::string(what) + " " + file +
                                 " cannot be used: " + take_openssl_errors("no reason given"));
}

// Nobody is there to be asked for a passphrase, so a key under one is refused.
int no_passphrase(char*, int, int, void*) { return -1; }

// No exact time at all is the beginning of time: such a certificate counts as ended.
WallTime time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return WallTime{};
  const std::chrono::year_month_day day{std::chrono::year(parts.tm_year + 1900),
                                        std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
                                        std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
  return WallTime(std::chrono::sys_days(day).time_since_epoch() + std::chrono::hours(parts.tm_hour) +
                  std::chrono::minutes(parts.tm_min) + std::chrono::seconds(parts.tm_sec));
}

}  // namespace

struct CertificateSet::Pair {
  Openssl<X509> certificate;
  Openssl<STACK_OF(X509)> chain;
  Openssl<EVP_PKEY> key;
};

CertificateSet::CertificateSet() = default;
CertificateSet::~CertificateSet() = default;

Result<std::shared_ptr<const CertificateSet>> CertificateSet::read(const CertificateSettings& settings) {
  const std::shared_ptr<CertificateSet> set(new CertificateSet);
  if (auto added = set->add(settings.standard); !added) return std::unexpected(added.error());
  for (const CertificateFiles& files : settings.by_name) {
    if (auto added = set->add(files); !added) return std::unexpected(added.error());
    if (set->facts_.back().names.empty())
      return fail(Errc::invalid,
                  "the certificate " + files.certificate +
                      " has no host name in its subjectAltName, so that no client could ask for it");
  }
  return set;
}

Result<void> CertificateSet::add(const CertificateFiles& files) {
  ERR_clear_error();
  const Openssl<BIO> text(BIO_new_file(files.certificate.c_str(), "r"));
  if (!text) return unusable("certificate", files.certificate);
  Pair pair;
  pair.certificate.reset(PEM_read_bio_X509_AUX(text.get(), nullptr, no_passphrase, nullptr));
  if (!pair.certificate) return unusable("certificate", files.certificate);
  pair.chain.reset(sk_X509_new_null());
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, no_passphrase, nullptr))
    RELAY_ASSERT(pair.chain && sk_X509_push(pair.chain.get(), next) > 0);
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
    return unusable("certificate", files.certificate);
  ERR_clear_error();  // that there was no further one

  const Openssl<BIO> key(BIO_new_file(files.key.c_str(), "r"));
  if (key) pair.key.reset(PEM_read_bio_PrivateKey(key.get(), nullptr, no_passphrase, nullptr));
  if (!pair.key) return unusable("key", files.key);
  if (X509_check_private_key(pair.certificate.get(), pair.key.get()) != 1)
    return fail(Errc::invalid, "the key " + files.key + " does not belong to the certificate " +
                                   files.certificate + ": " + take_openssl_errors("no reason given"));

  // OpenSSL refuses what is too weak for it (a short key, a digest of old) only when it is to be shown.
  const Openssl<SSL_CTX> trial(SSL_CTX_new(TLS_server_method()));
  if (!trial ||
      SSL_CTX_use_cert_and_key(trial.get(), pair.certificate.get(), pair.key.get(), pair.chain.get(), 1) != 1)
    return unusable("certificate", files.certificate);

  facts_.push_back({files.certificate, names_of(pair.certificate.get()),
                    time_of(X509_get0_notBefore(pair.certificate.get())),
                    time_of(X509_get0_notAfter(pair.certificate.get()))});
  for (const std::string& name : facts_.back().names) by_name_.emplace(name, pairs_.size());
  pairs_.push_back(std::move(pair));
  return {};
}

std::size_t CertificateSet::choose(std::string_view name) const {
  std::string wanted = lower(name);
  if (wanted.starts_with('*')) return 0;  // no host has such a name
  if (const auto exact = by_name_.find(wanted); exact != by_name_.end()) return exact->second;
  const std::size_t dot = wanted.find('.');
  if (dot == std::string::npos || dot == 0) return 0;
  const auto wild = by_name_.find(wanted.replace(0, dot, "*"));
  return wild != by_name_.end() ? wild->second : 0;
}

bool CertificateSet::show(ssl_st* session, std::size_t index) const {
  const Pair& pair = pairs_.at(index);
  return SSL_use_cert_and_key(session, pair.certificate.get(), pair.key.get(), pair.chain.get(), 1) == 1;
}

}  // namespace relay::net
