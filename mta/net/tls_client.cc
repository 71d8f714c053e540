// A client's side of TLS: its context, what a policy demands of a session, what is found out of the peer.
#include <fmt/format.h>
#include <openssl/err.h>

#include <utility>

#include "mta/net/tls_impl.h"

namespace relay::net {
namespace {

using wire::TlsLevel;
using wire::TlsProblem;
using wire::TlsVerified;

constexpr std::size_t most_names = 16;  // of a certificate, in TlsInfo

bool is_address(const std::string& name) {
  return name.find(':') != std::string::npos || name.find_first_not_of("0123456789.") == std::string::npos;
}

// As OpenSSL has it: what begins with a dot stands for any host below (one label, by its flag).
std::string reference(const std::string& name) { return name.starts_with("*.") ? name.substr(1) : name; }

// RFC 7672 3.1.3: the usages that lean on public authorities cannot be used for mail.
bool usable(const wire::TlsaRecord& record) { return record.usage == 2 || record.usage == 3; }

std::string common_name(X509* certificate) {
  char text[256] = "";
  X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, text, sizeof text);
  return text;
}

std::string hexadecimal(const unsigned char* bytes, std::size_t size) {
  std::string out;
  for (std::size_t i = 0; i < size; ++i) out += fmt::format("{:02x}", bytes[i]);
  return out;
}

}  // namespace

Result<std::shared_ptr<TlsContext>> TlsContext::client(const TlsClientSettings& settings) {
  auto made = make_tls_context(TLS_client_method());
  if (!made) return std::unexpected(made.error());
  SSL_CTX* ctx = made->get();
  const bool system = settings.roots_file.empty();
  if ((system ? SSL_CTX_set_default_verify_paths(ctx)
              : SSL_CTX_load_verify_file(ctx, settings.roots_file.c_str())) != 1)
    return fail(Errc::system, fmt::format("the certificate authorities of {} cannot be read: {}",
                                          system ? "the system" : settings.roots_file,
                                          take_openssl_errors("no reason given")));
  if (SSL_CTX_dane_enable(ctx) != 1)
    return fail(Errc::system, "DANE cannot be set up: " + take_openssl_errors("no reason given"));
  SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(ctx, &TlsEngine::Impl::on_session);
  auto impl = std::make_unique<Impl>();
  impl->ctx = std::move(*made);
  impl->sessions = std::make_unique<SessionCache>(settings.sessions);
  return std::shared_ptr<TlsContext>(new TlsContext(std::move(impl)));
}

// A copy is kept: what this connection still does to its session is its own.
int TlsEngine::Impl::on_session(SSL* ssl, SSL_SESSION* session) {
  const auto& engine = *static_cast<Impl*>(SSL_get_app_data(ssl));
  if (!engine.client || SSL_SESSION_is_resumable(session) != 1) return 0;
  Openssl<SSL_SESSION> copy(SSL_SESSION_dup(session));
  if (copy)
    engine.context->impl().sessions->put(engine.client->key, {std::move(copy), engine.client->checked});
  return 0;
}

void ClientSide::prepare(SSL* ssl, SessionCache& sessions, const TlsRemote& remote, Instant now) {
  level = remote.policy.level;
  if (level == TlsLevel::dane && !demand_dane(ssl, remote)) level = TlsLevel::encrypt;
  if (level == TlsLevel::verify) demand_name(ssl, remote);
  if (level < TlsLevel::encrypt) accept_anyone(ssl);
  if (level != TlsLevel::dane) ask_for_name(ssl, remote.host);  // else by the base domain
  key = key_of(remote);
  checked = now;
  const SessionCache::Kept kept = sessions.find(key, now);
  if (kept.session && SSL_set_session(ssl, kept.session.get()) == 1) checked = kept.checked;
}

// RFC 6066 3: no literal addresses in SNI.
void ClientSide::ask_for_name(SSL* ssl, const std::string& host) const {
  if (host.empty() || is_address(host)) return;
  // The macro SSL_set_tlsext_host_name, without its C cast.
  SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(host.c_str()));
}

// Level 0: else TLS 1.0 could not sign, and hosts with keys of 1,024 bits would get clear text instead.
void ClientSide::accept_anyone(SSL* ssl) const {
  SSL_set_security_level(ssl, 0);
  SSL_set_min_proto_version(ssl, TLS1_VERSION);
  SSL_set_options(ssl, SSL_OP_LEGACY_SERVER_CONNECT);  // without RFC 5746; there is no renegotiation here
}

void ClientSide::demand_name(SSL* ssl, const TlsRemote& remote) const {
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  // RFC 9525 2, 6.3: names stand in the subjectAltName, and a wildcard for a whole label.
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS |
                             X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  std::vector<std::string> names = remote.policy.names;
  if (names.empty()) names.push_back(remote.host);
  bool any = false;
  for (const std::string& name : names) {
    if (name.empty()) continue;
    any |= is_address(name) ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str()) == 1
                            : SSL_add1_host(ssl, reference(name).c_str()) == 1;
  }
  // A name that cannot be set must not pass as "any name will do": an empty label matches nothing.
  if (!any) SSL_set1_host(ssl, "invalid.");
}

// False if no record can be used.
bool ClientSide::demand_dane(SSL* ssl, const TlsRemote& remote) {
  const std::vector<std::string>& names = remote.policy.names;
  const std::string& base = names.empty() ? remote.host : names.front();
  int used = 0;
  if (!base.empty() && SSL_dane_enable(ssl, base.c_str()) > 0) {
    for (const wire::TlsaRecord& r : remote.policy.tlsa) {
      if (!usable(r)) continue;
      const auto* data = reinterpret_cast<const unsigned char*>(r.data.data());
      // 0 is one that OpenSSL cannot use, negative one that is malformed: both as if it were not there.
      if (SSL_dane_tlsa_add(ssl, r.usage, r.selector, r.matching, data, r.data.size()) > 0) ++used;
    }
  }
  ERR_clear_error();
  if (used == 0) {
    unverified = {TlsProblem::tlsa_invalid, "no TLSA record of the host can be used"};
    return false;
  }
  // RFC 7672 3.1.1: by usage 3 the record alone counts, not names and not the time.
  SSL_dane_set_flags(ssl, DANE_FLAG_NO_DANE_EE_NAMECHECKS);
  SSL_set_verify(ssl, SSL_VERIFY_PEER, nullptr);
  SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_SINGLE_LABEL_SUBDOMAINS);
  for (std::size_t i = 1; i < names.size(); ++i) SSL_add1_host(ssl, reference(names[i]).c_str());
  return true;
}

// Of all that decides whom a session was made with, and how strictly.
Digest ClientSide::key_of(const TlsRemote& remote) const {
  std::string all;
  const auto add = [&](std::string_view part) { all += fmt::format("{}:{}", part.size(), part); };
  add(remote.host);
  add(remote.address);
  all += static_cast<char>('0' + static_cast<int>(level));
  for (const std::string& name : remote.policy.names) add(name);
  all += '/';
  for (const wire::TlsaRecord& r : remote.policy.tlsa) {
    all += fmt::format("{} {} {} ", r.usage, r.selector, r.matching);
    add(r.data);
  }
  return sha256(all);
}

void ClientSide::describe(SSL* ssl, wire::TlsInfo& info) const {
  info.resumed = SSL_session_reused(ssl) == 1;
  info.unverified = unverified;
  const Openssl<X509> certificate(SSL_get1_peer_certificate(ssl));
  if (!certificate) return;
  // What is taken up again had been verified by this very policy; the certificate is not shown then.
  if (level == TlsLevel::verify && SSL_get_verify_result(ssl) == X509_V_OK) info.verified = TlsVerified::name;
  if (level == TlsLevel::dane && (info.resumed || SSL_get0_dane_authority(ssl, nullptr, nullptr) >= 0))
    info.verified = TlsVerified::dane;
  info.peer_names = names_of(certificate.get());
  if (info.peer_names.empty()) info.peer_names.push_back(common_name(certificate.get()));
  if (info.peer_names.size() > most_names) info.peer_names.resize(most_names);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  if (X509_digest(certificate.get(), EVP_sha256(), digest, &size) == 1)
    info.peer_sha256 = hexadecimal(digest, size);
}

TlsProblem ClientSide::problem(SSL* ssl) const {
  if (level < TlsLevel::verify) return TlsProblem::validation_failure;
  switch (SSL_get_verify_result(ssl)) {
    case X509_V_OK: return TlsProblem::validation_failure;
    case X509_V_ERR_CERT_HAS_EXPIRED: return TlsProblem::certificate_expired;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return TlsProblem::certificate_host_mismatch;
    default: return TlsProblem::certificate_not_trusted;
  }
}

}  // namespace relay::net
