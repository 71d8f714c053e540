// What a ServerDialog must do, in a few lines: states, replies by code, messages taken. Nothing of it is
// shared with the dialog; both are given the same random sessions (server_random_test.cc).
#pragma once
#include <string>
#include <vector>

namespace relay::wire {

enum class Act {
  ehlo,
  helo,
  mail,
  mail_too_large,
  mail_bad,
  rcpt,
  rcpt_refused,
  rcpt_bad,
  data,
  bdat,
  bdat_last,
  rset,
  noop,
  unknown,
  long_line,
  auth,
  auth_wrong,
  starttls,
  quit,
  foreign,
};

struct Model {
  // As the dialog was set up.
  bool needs_auth = false, tls = false;
  unsigned max_errors = 0, max_junk = 0, max_messages = 0, max_recipients = 0, max_bytes = 0,
           max_failures = 0;

  // What has come of it.
  std::vector<int> codes = {220};
  std::vector<std::string> taken;  // "N recipients: content"
  bool closed = false;

  // `content`: lines with CRLF, of data and bdat; no line of it is a command or looks like an end.
  void act(Act what, const std::string& content);
  bool will_handshake() const { return !closed && !tls; }  // if asked for STARTTLS now

 private:
  void say(int code);
  void close(int code) {
    codes.push_back(code);
    closed = true;
  }
  void reset() {
    mail_ = begun_ = false;
    recipients_ = 0;
    content_.clear();
  }
  void mail(Act what);
  void data(const std::string& content);
  void bdat(const std::string& content, bool last);
  void auth(bool right);
  void finish();

  bool hello_ = false, extended_ = false, authenticated_ = false, mail_ = false, begun_ = false;
  unsigned errors_ = 0, junk_ = 0, messages_ = 0, failures_ = 0, recipients_ = 0;
  std::string content_;
};

}  // namespace relay::wire
