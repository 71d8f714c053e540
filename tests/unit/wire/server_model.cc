#include "tests/unit/wire/server_model.h"

#include <algorithm>

namespace relay::wire {

void Model::say(int code) {
  codes.push_back(code);
  if (code >= 500 && ++errors_ > max_errors) close(421);
}

void Model::act(Act what, const std::string& content) {
  if (closed) return;
  const bool resets = what == Act::ehlo || what == Act::helo || what == Act::rset;
  if (resets) reset();
  const bool parameter_after_helo = what == Act::mail_too_large && hello_ && !extended_;
  const bool begins =
      what == Act::mail || what == Act::mail_too_large || what == Act::auth || what == Act::auth_wrong;
  if ((resets || what == Act::noop || (begins && !parameter_after_helo)) && ++junk_ > max_junk)
    return begins ? close(421) : say(550);
  switch (what) {
    case Act::ehlo:
    case Act::helo: hello_ = true, extended_ = what == Act::ehlo; return say(250);
    case Act::mail:
    case Act::mail_too_large: return mail(what);
    case Act::rcpt:
    case Act::rcpt_refused:
      if (!mail_ || begun_) return say(503);
      if (recipients_ >= max_recipients) return say(452);
      if (what == Act::rcpt_refused) return say(550);
      ++recipients_;
      return say(250);
    case Act::mail_bad:
    case Act::rcpt_bad: return say(501);
    case Act::data: return data(content);
    case Act::bdat:
    case Act::bdat_last: return bdat(content, what == Act::bdat_last);
    case Act::rset:
    case Act::noop: return say(250);
    case Act::unknown:
    case Act::long_line: return say(500);
    case Act::auth:
    case Act::auth_wrong: return auth(what == Act::auth);
    case Act::starttls:
      if (tls) return say(503);
      say(220);
      tls = true, hello_ = authenticated_ = false;
      return reset();
    case Act::quit: return close(221);
    case Act::foreign: return close(554);
  }
}

void Model::mail(Act what) {
  if (!extended_ && hello_ && what == Act::mail_too_large) return say(555);
  if (!hello_ || mail_) return say(503);
  if (needs_auth && !authenticated_) return say(530);
  if (messages_ >= max_messages) return close(421);
  if (what == Act::mail_too_large) return say(552);
  ++messages_, mail_ = true;
  say(250);
}

void Model::data(const std::string& content) {
  const bool goes = mail_ && !begun_ && recipients_ > 0;
  say(!mail_ || begun_ ? 503 : goes ? 354 : 554);
  if (closed || goes) return goes ? (content_ = content, finish()) : void();
  // Nobody asked for it: each line and the dot are commands, and no known ones.
  for (auto lines = std::ranges::count(content, '\n') + 1; lines > 0 && !closed; --lines) say(500);
}

void Model::bdat(const std::string& content, bool last) {
  if (!mail_) return say(503);
  const bool none = recipients_ == 0, fits = content_.size() + content.size() <= max_bytes;
  if (none || !fits) return reset(), say(none ? 554 : 552);
  begun_ = true;
  content_ += content;
  last ? finish() : say(250);
}

void Model::finish() {
  if (content_.size() > max_bytes) return reset(), say(552);
  taken.push_back(std::to_string(recipients_) + " recipients: " + content_);
  errors_ = junk_ = 0;
  reset();
  say(250);
}

void Model::auth(bool right) {
  if (!needs_auth) return say(502);
  if (!tls) return say(538);
  if (!hello_ || !extended_ || authenticated_ || mail_) return say(503);
  authenticated_ = right;
  say(right ? 235 : 535);
  if (!right && ++failures_ >= max_failures && !closed) close(421);
}

}  // namespace relay::wire
