// compose: what GMime reads back from the result is what was given, and nothing in a draft can add to it.
#include "mta/mime/compose.h"

#include <doctest/doctest.h>
#include <gmime/gmime.h>

#include <algorithm>
#include <functional>
#include <memory>

#include "mta/base/rng.h"
#include "mta/mime/field.h"

using namespace relay;
using namespace relay::mime;
using namespace std::string_literals;

namespace {

const WallTime date{std::chrono::milliseconds(1'790'000'000'000)};

Draft simple() {
  Draft draft;
  draft.from = {"Ann", "ann@a.example"};
  draft.to = {{"", "bob@b.example"}};
  draft.subject = "Hello";
  draft.text = "Hi\n";
  return draft;
}

std::string composed(const Draft& draft) {
  const auto body = compose(draft, date, "id@relay.example");
  REQUIRE_MESSAGE(body.has_value(), (body ? "" : body.error().message));
  const auto text = (*body)->flatten();
  CHECK((*body)->size() == text.size());
  CHECK(longest_line(text) <= max_line);
  CHECK(text.ends_with("\r\n"));
  // CRLF, and neither CR nor LF alone.
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\n' && (i == 0 || text[i - 1] != '\r')) FAIL("bare LF");
    if (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n')) FAIL("bare CR");
  }
  CHECK(std::ranges::all_of(text, [](char c) { return static_cast<unsigned char>(c) < 128 && c != '\0'; }));
  return text;
}

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
using MessagePtr = std::unique_ptr<GMimeMessage, Unref>;

MessagePtr parse(const std::string& text) {
  const std::unique_ptr<GMimeStream, Unref> stream(
      g_mime_stream_mem_new_with_buffer(text.data(), text.size()));
  const std::unique_ptr<GMimeParser, Unref> parser(g_mime_parser_new_with_stream(stream.get()));
  MessagePtr message(g_mime_parser_construct_message(parser.get(), nullptr));
  REQUIRE(message);
  return message;
}

std::string content(GMimeObject* part) {
  REQUIRE(GMIME_IS_PART(part));
  const std::unique_ptr<GMimeStream, Unref> memory(g_mime_stream_mem_new());
  g_mime_data_wrapper_write_to_stream(g_mime_part_get_content(GMIME_PART(part)), memory.get());
  const auto* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory.get()));
  return {reinterpret_cast<const char*>(bytes->data), bytes->len};
}

std::string type(GMimeObject* part) {
  const std::unique_ptr<char, void (*)(gpointer)> text(
      g_mime_content_type_get_mime_type(g_mime_object_get_content_type(part)), g_free);
  return text.get();
}

// "multipart/mixed(text/plain application/pdf)"
std::string shape(GMimeObject* part) {
  std::string out = type(part);
  if (!GMIME_IS_MULTIPART(part)) return out;
  out += '(';
  const int count = g_mime_multipart_get_count(GMIME_MULTIPART(part));
  for (int i = 0; i < count; ++i)
    out += (i ? " " : "") + shape(g_mime_multipart_get_part(GMIME_MULTIPART(part), i));
  return out + ')';
}

std::string shape_of(const std::string& text) {
  const auto message = parse(text);
  return shape(g_mime_message_get_mime_part(message.get()));
}

GMimeObject* child(GMimeObject* part, int i) { return g_mime_multipart_get_part(GMIME_MULTIPART(part), i); }

// Names of the header section's fields, in order.
std::vector<std::string> names(const std::string& text) {
  const auto message = parse(text);
  auto* list = g_mime_object_get_header_list(GMIME_OBJECT(message.get()));
  std::vector<std::string> out;
  for (int i = 0; i < g_mime_header_list_get_count(list); ++i)
    out.emplace_back(g_mime_header_get_name(g_mime_header_list_get_header_at(list, i)));
  return out;
}

std::string with_crlf(const std::string& text) {
  std::string out;
  for (const char c : text) out += c == '\n' ? "\r\n"s : std::string(1, c);
  return out;
}

void refused(const Draft& draft, const std::string& pointer) {
  CAPTURE(pointer);
  const auto body = compose(draft, date, "id@relay.example");
  REQUIRE_FALSE(body.has_value());
  CHECK(body.error().code == Errc::invalid);
  CHECK(body.error().message.substr(0, body.error().message.find(": ")) == pointer);
  CHECK(body.error().message.find_first_of("\r\n\0"s) == std::string::npos);
}

}  // namespace

TEST_CASE("text only, byte for byte") {
  CHECK(composed(simple()) ==
        "Date: Mon, 21 Sep 2026 14:13:20 +0000\r\n"
        "From: Ann <ann@a.example>\r\n"
        "To: bob@b.example\r\n"
        "Subject: Hello\r\n"
        "Message-ID: <id@relay.example>\r\n"
        "MIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Transfer-Encoding: 7bit\r\n"
        "\r\n"
        "Hi\r\n");
}

TEST_CASE("shapes") {
  Draft draft = simple();
  const Attachment pdf{"a.pdf", "application/pdf", "%PDF", ""},
      logo{"logo.png", "image/png", "PNG", "logo@x"};
  draft.text.reset();
  CHECK(shape_of(composed(draft)) == "text/plain");
  draft.html = "<p>Hi</p>";
  CHECK(shape_of(composed(draft)) == "text/html");
  draft.text = "Hi";
  CHECK(shape_of(composed(draft)) == "multipart/alternative(text/plain text/html)");
  draft.attachments = {logo};
  CHECK(shape_of(composed(draft)) ==
        "multipart/alternative(text/plain multipart/related(text/html image/png))");
  draft.attachments = {pdf, logo, pdf};
  CHECK(shape_of(composed(draft)) ==
        "multipart/mixed(multipart/alternative(text/plain multipart/related(text/html image/png)) "
        "application/pdf application/pdf)");
  draft.text.reset();
  CHECK(shape_of(composed(draft)) ==
        "multipart/mixed(multipart/related(text/html image/png) application/pdf application/pdf)");
  draft.html.reset();
  CHECK(shape_of(composed(draft)) == "multipart/mixed(text/plain application/pdf image/png application/pdf)");
}

TEST_CASE("every field of the header section") {
  Draft draft = simple();
  draft.from = {"J\xc3\xbcrgen, \"J\"", "j@a.example"};
  draft.to = {{"Bee, Ann", "b@b.example"}, {"", "c@c.example"}};
  draft.cc = {{"\xe4\xbd\xa0\xe5\xa5\xbd", "d@d.example"}};
  draft.reply_to = {{"", "e@e.example"}};
  draft.subject =
      "Gr\xc3\xbc\xc3\x9f"
      "e =?utf-8?q?x?= " +
      std::string(300, 'x');
  draft.headers = {{"X-Foo", "one"}, {"X-Foo", "tw\xc3\xb6"}, {"In-Reply-To", "<x@y.example>"}};
  const auto text = composed(draft);
  CHECK(names(text) == std::vector<std::string>{"Date", "From", "Reply-To", "To", "Cc", "Subject",
                                                "Message-ID", "X-Foo", "X-Foo", "In-Reply-To",
                                                "MIME-Version"});
  const auto message = parse(text);
  CHECK(g_mime_message_get_subject(message.get()) == draft.subject);
  CHECK(g_mime_message_get_message_id(message.get()) == "id@relay.example"s);
  const auto check = [&](GMimeAddressType which, const std::vector<Mailbox>& expected) {
    auto* list = g_mime_message_get_addresses(message.get(), which);
    REQUIRE(internet_address_list_length(list) == static_cast<int>(expected.size()));
    for (std::size_t i = 0; i < expected.size(); ++i) {
      auto* address = internet_address_list_get_address(list, static_cast<int>(i));
      const char* name = internet_address_get_name(address);
      CHECK((name ? name : "") == expected[i].name);
      CHECK(internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address)) == expected[i].address);
    }
  };
  check(GMIME_ADDRESS_TYPE_FROM, {draft.from});
  check(GMIME_ADDRESS_TYPE_TO, draft.to);
  check(GMIME_ADDRESS_TYPE_CC, draft.cc);
  check(GMIME_ADDRESS_TYPE_REPLY_TO, draft.reply_to);
  CHECK(text.contains("X-Foo: one\r\nX-Foo: =?UTF-8?"));
}

TEST_CASE("an internationalized local part stays UTF-8 in its field alone") {
  Draft draft = simple();
  draft.to = {{"", "j\xc3\xbcrgen@b.example"}};
  const auto body = compose(draft, date, "<id@relay.example>");
  REQUIRE(body.has_value());
  CHECK((*body)->flatten().contains("To: j\xc3\xbcrgen@b.example\r\n"));
  CHECK((*body)->flatten().contains("Message-ID: <id@relay.example>\r\n"));
}

TEST_CASE("texts come back as they went in") {
  const std::string texts[] = {"",
                               "\n",
                               "no line end",
                               "a\n\n\nb\n",
                               ".dot\n..dots\n",
                               "From me\n",
                               "trailing  \n\t\n",
                               std::string(5000, 'x') + "\n",
                               "Gr\xc3\xbc\xc3\x9f"
                               "e\n",
                               "\xe4\xbd\xa0\xe5\xa5\xbd\n" + std::string(2000, 'y'),
                               "--=_1_x\n--=_1_x--\n",
                               "=20 = =\n",
                               "a\0b\n"s,
                               "\x1b[31m\n",
                               std::string(998, 'z') + "\n",
                               std::string(999, 'z') + "\n"};
  for (const auto& text : texts) {
    CAPTURE(text);
    const auto end = text.ends_with('\n') ? "" : "\n";
    Draft draft = simple();
    draft.text = text;
    {
      const auto message = parse(composed(draft));
      CHECK(content(g_mime_message_get_mime_part(message.get())) == with_crlf(text + end));
    }
    draft.html = text;
    const auto message = parse(composed(draft));
    auto* root = g_mime_message_get_mime_part(message.get());
    REQUIRE(shape(root) == "multipart/alternative(text/plain text/html)");
    for (int i = 0; i < 2; ++i) {
      auto got = content(child(root, i));
      if (!got.ends_with("\r\n")) got += "\r\n";  // the last one belongs to the boundary
      CHECK(got == with_crlf(text + end));
    }
  }
}

TEST_CASE("CRLF, CR and LF are all line ends") {
  Draft draft = simple();
  draft.text = "a\r\nb\rc\nd";
  CHECK(composed(draft).ends_with("\r\n\r\na\r\nb\r\nc\r\nd\r\n"));
}

TEST_CASE("attachments come back as they went in") {
  std::string noise(10u << 20, '\0');  // 10 MB
  SeededRng rng(1);
  rng.fill({reinterpret_cast<std::uint8_t*>(noise.data()), noise.size()});
  Draft draft = simple();
  const std::string names_given[] = {"plain.bin",
                                     "Gr\xc3\xbc\xc3\x9f"
                                     "e \"x\"; y.pdf",
                                     "\xe4\xbd\xa0.txt", std::string(250, 'n'), ""};
  for (const auto& name : names_given)
    draft.attachments.push_back({name, "application/octet-stream", "x", ""});
  std::string cjk;
  for (int i = 0; i < 85; ++i) cjk += "\xe4\xbd\xa0";
  draft.attachments.push_back({cjk, "text/csv; charset=utf-8; header=present", "a,b\r\n1,2\n", ""});
  draft.attachments.push_back({"noise", "APPLICATION/X-Noise", noise, ""});
  draft.attachments.push_back({"empty", "image/png", "", "id-without-html"});
  const auto message = parse(composed(draft));
  auto* root = g_mime_message_get_mime_part(message.get());
  REQUIRE(GMIME_IS_MULTIPART(root));
  REQUIRE(g_mime_multipart_get_count(GMIME_MULTIPART(root)) ==
          static_cast<int>(draft.attachments.size()) + 1);
  for (std::size_t i = 0; i < draft.attachments.size(); ++i) {
    CAPTURE(i);
    auto* part = child(root, static_cast<int>(i) + 1);
    const auto& given = draft.attachments[i];
    CHECK((content(part) == given.content));
    const char* name = g_mime_part_get_filename(GMIME_PART(part));
    CHECK((name ? name : "") == given.filename);
    const char* other = g_mime_object_get_content_type_parameter(part, "name");
    CHECK((other ? other : "") == given.filename);
    CHECK(g_mime_object_get_disposition(part) == "attachment"s);
  }
  auto* csv = child(root, 6);
  CHECK(type(csv) == "text/csv");
  CHECK(g_mime_object_get_content_type_parameter(csv, "header") == "present"s);
  CHECK(g_mime_object_get_content_id(child(root, 8)) == "id-without-html"s);
}

TEST_CASE("inline parts") {
  Draft draft = simple();
  draft.html = "<img src=\"cid:logo\">";
  draft.attachments = {{"", "image/png", "PNG", "logo"}};
  const auto text = composed(draft);
  CHECK(text.contains("Content-Id: <logo>\r\n"));
  CHECK(text.contains("Content-Disposition: inline\r\n"));
  CHECK(text.contains("type=\"text/html\""));
}

TEST_CASE("the same draft gives the same bytes, another text other boundaries") {
  Draft draft = simple();
  draft.html = "<p>";
  const auto once = composed(draft);
  CHECK(composed(draft) == once);
  draft.text = "Ho";
  const auto at = once.find("boundary=");
  CHECK(composed(draft).substr(at, 50) != once.substr(at, 50));
}

TEST_CASE("a text cannot close its part") {
  Draft draft = simple();
  draft.html = "<p>";
  const auto first = composed(draft);
  const auto from = first.find("boundary=\"") + 10;
  const auto boundary = first.substr(from, first.find('"', from) - from);
  draft.text = "x\n--" + boundary + "\nContent-Type: text/html\n\nevil\n--" + boundary + "--\n";
  CHECK(shape_of(composed(draft)) == "multipart/alternative(text/plain text/html)");
}

TEST_CASE("nothing in a draft can add a line to a header") {
  for (const auto& evil : {"x\r\nBcc: v@v.example"s, "x\nBcc: v@v.example"s, "x\rBcc: v@v.example"s, "x\0y"s,
                           "\r\n"s, "x\r\n\r\nbody"s, "x\x1by"s, "x\x7f"s, "\xff"s}) {
    CAPTURE(evil);
    const auto with = [&](const std::string& pointer, const std::function<void(Draft&)>& set) {
      Draft draft = simple();
      draft.html = "<p>";
      draft.attachments = {{"a", "image/png", "x", ""}};
      set(draft);
      refused(draft, pointer);
    };
    with("/from", [&](Draft& d) { d.from.name = evil; });
    with("/from", [&](Draft& d) { d.from.address = evil; });
    with("/from", [&](Draft& d) { d.from.address = "a@b.example" + evil; });
    with("/to/1", [&](Draft& d) { d.to.push_back({evil, "a@b.example"}); });
    with("/to/1", [&](Draft& d) { d.to.push_back({"", "a@b.example>" + evil}); });
    with("/cc/0", [&](Draft& d) { d.cc.push_back({evil, "a@b.example"}); });
    with("/reply_to/0", [&](Draft& d) { d.reply_to.push_back({evil, "a@b.example"}); });
    with("/subject", [&](Draft& d) { d.subject = evil; });
    with("/headers/X-Foo", [&](Draft& d) { d.headers = {{"X-Foo", evil}}; });
    with("/attachments/0/filename", [&](Draft& d) { d.attachments[0].filename = evil; });
    with("/attachments/0/content_type",
         [&](Draft& d) { d.attachments[0].content_type = "image/png; x=" + evil; });
    with("/attachments/0/content_id", [&](Draft& d) { d.attachments[0].content_id = evil; });
  }
  Draft draft = simple();
  draft.headers = {{"X-Foo: a\r\nBcc", "x"}};
  refused(draft, "/headers/X-Foo:?a??Bcc");
}

TEST_CASE("headers the caller may not give") {
  for (const auto* name : {"From",
                           "to",
                           "CC",
                           "bcc",
                           "Reply-To",
                           "Subject",
                           "Sender",
                           "Date",
                           "Message-ID",
                           "MIME-Version",
                           "Content-Type",
                           "content-transfer-encoding",
                           "Received",
                           "Return-Path",
                           "DKIM-Signature",
                           "ARC-Seal",
                           "Resent-From",
                           "X-Relay-Tags",
                           "X Foo",
                           "X-F\xc3\xb6\xc3\xb6"}) {
    Draft draft = simple();
    draft.headers = {{name, "x"}};
    CAPTURE(name);
    CHECK_FALSE(compose(draft, date, "id@relay.example").has_value());
  }
  Draft draft = simple();
  draft.headers = {{"", "x"}};
  refused(draft, "/headers/");
  draft.headers = {{"a/b~c", "x\n"}};
  refused(draft, "/headers/a~1b~0c");
  draft.headers = {{"X-Long", std::string(1000, 'x')}};
  refused(draft, "/headers/X-Long");
  draft.headers = {{"X-Long", std::string(980, 'x') + " " + std::string(980, 'y')}};
  composed(draft);
}

TEST_CASE("what cannot be used in other fields") {
  const auto with = [](const std::string& pointer, const std::function<void(Draft&)>& set) {
    Draft draft = simple();
    draft.attachments = {{"a", "image/png", "x", ""}};
    set(draft);
    refused(draft, pointer);
  };
  with("/from", [](Draft& d) { d.from.address = ""; });
  with("/to/0", [](Draft& d) { d.to[0].address = "a@b.example, c@d.example"; });
  with("/text", [](Draft& d) { d.text = "\xff"; });
  with("/html", [](Draft& d) { d.html = "\xc0\x80"; });
  with("/attachments/0/filename", [](Draft& d) { d.attachments[0].filename = std::string(256, 'x'); });
  for (const auto* type :
       {"", "image", "image/", "/png", "im age/png", "image/png/x", "image/png x", "imag\xc3\xa9/png",
        "multipart/mixed", "Multipart/Mixed; boundary=x", "message/rfc822"}) {
    CAPTURE(type);
    with("/attachments/0/content_type", [&](Draft& d) { d.attachments[0].content_type = type; });
  }
  for (const auto* id : {"<logo>", "a b", "a\"", "a>b"})
    with("/attachments/0/content_id", [&](Draft& d) { d.attachments[0].content_id = id; });
}
