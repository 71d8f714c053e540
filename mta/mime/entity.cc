#include "mta/mime/entity.h"

#include <gmime/gmime.h>

#include <algorithm>
#include <memory>

#include "mta/base/ids.h"
#include "mta/base/secret.h"
#include "mta/mime/field.h"
#include "mta/mime/gmime_init.h"
#include "mta/mime/utf8.h"

namespace relay::mime {
namespace {

struct Unref {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <class T>
using Ref = std::unique_ptr<T, Unref>;
using Object = Ref<GMimeObject>;

struct FreeOptions {
  void operator()(GMimeFormatOptions* options) const { g_mime_format_options_free(options); }
};

// GMime works on lines that end in LF, and this makes every line end a line end: quoted-printable would
// otherwise carry a CR as a character.
std::string with_line_feeds(std::string_view text) {
  std::string out;
  out.reserve(text.size() + 1);
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\r' && i + 1 < text.size() && text[i + 1] == '\n') continue;
    out += text[i] == '\r' ? '\n' : text[i];
  }
  if (!out.ends_with('\n')) out += '\n';
  return out;
}

std::string with_crlf(std::string_view lines) {
  std::string out;
  out.reserve(lines.size() + lines.size() / 16);
  for (const char c : lines) {
    if (c == '\n') out += '\r';
    out += c;
  }
  return out;
}

// RFC 2045 6: what passes any host as it is, else whichever is shorter.
GMimeContentEncoding encoding_for(std::string_view text) {
  std::size_t others = 0, line = 0;
  bool plain = true;
  for (const char c : text) {
    line = c == '\n' ? 0 : line + 1;
    if (line > max_line) plain = false;
    if (c == '\n' || c == '\t' || (!control(c) && static_cast<unsigned char>(c) < 128)) continue;
    plain = false;
    ++others;
  }
  if (plain) return GMIME_CONTENT_ENCODING_7BIT;
  return others * 6 > text.size() ? GMIME_CONTENT_ENCODING_BASE64 : GMIME_CONTENT_ENCODING_QUOTEDPRINTABLE;
}

class Builder {
 public:
  Builder(const Draft& draft, const std::string& seed) : draft_(draft) {
    const std::string all = seed + '\0' + draft.text.value_or("") + '\0' + draft.html.value_or("");
    const auto digest = sha256(all);
    digest_ = base32({reinterpret_cast<const char*>(digest.data()), 20});
  }

  Object whole() {
    Object body = texts();
    std::vector<const Attachment*> rest;
    for (const auto& a : draft_.attachments)
      if (!inlined(a)) rest.push_back(&a);
    if (rest.empty()) return body;
    auto mixed = multipart("mixed");
    g_mime_multipart_add(mixed.get(), body.get());
    for (const auto* a : rest) g_mime_multipart_add(mixed.get(), attachment(*a).get());
    return Object(GMIME_OBJECT(mixed.release()));
  }

 private:
  // Parts with a Content-ID belong to the HTML that names them (RFC 2392); without HTML nothing can.
  bool inlined(const Attachment& a) const { return draft_.html && !a.content_id.empty(); }

  Object texts() {
    if (!draft_.html) return text("plain", draft_.text.value_or(""));
    Object html = related(text("html", *draft_.html));
    if (!draft_.text) return html;
    auto alternative = multipart("alternative");  // RFC 2046 5.1.4: the best comes last
    g_mime_multipart_add(alternative.get(), text("plain", *draft_.text).get());
    g_mime_multipart_add(alternative.get(), html.get());
    return Object(GMIME_OBJECT(alternative.release()));
  }

  Object related(Object html) {
    if (std::ranges::none_of(draft_.attachments, [this](const auto& a) { return inlined(a); })) return html;
    auto related = multipart("related");  // RFC 2387
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(related.get()), "type", "text/html");
    g_mime_multipart_add(related.get(), html.get());
    for (const auto& a : draft_.attachments)
      if (inlined(a)) g_mime_multipart_add(related.get(), attachment(a).get());
    return Object(GMIME_OBJECT(related.release()));
  }

  // "=_" occurs in neither base64 nor quoted-printable (RFC 2045 6.7), and the digest of the texts not in a
  // text that is sent as it is.
  Ref<GMimeMultipart> multipart(const char* subtype) {
    Ref<GMimeMultipart> part(g_mime_multipart_new_with_subtype(subtype));
    const std::string boundary = "=_" + std::to_string(++multiparts_) + "_" + digest_;
    g_mime_multipart_set_boundary(part.get(), boundary.c_str());
    return part;
  }

  static void fill(GMimePart* part, std::string_view content, GMimeContentEncoding encoding) {
    const Ref<GMimeStream> stream(g_mime_stream_mem_new_with_buffer(content.data(), content.size()));
    const Ref<GMimeDataWrapper> wrapper(
        g_mime_data_wrapper_new_with_stream(stream.get(), GMIME_CONTENT_ENCODING_DEFAULT));
    g_mime_part_set_content(part, wrapper.get());
    g_mime_part_set_content_encoding(part, encoding);
  }

  static Object text(const char* subtype, const std::string& content) {
    Ref<GMimePart> part(g_mime_part_new_with_type("text", subtype));
    g_mime_object_set_content_type_parameter(GMIME_OBJECT(part.get()), "charset", "utf-8");
    const auto lines = with_line_feeds(content);
    const auto encoding = encoding_for(lines);
    // RFC 2045 6.8: under base64 line ends are CRLF like everything else; otherwise they are made so at the
    // end.
    const bool base64 = encoding == GMIME_CONTENT_ENCODING_BASE64;
    fill(part.get(), base64 ? with_crlf(lines) : lines, encoding);
    return Object(GMIME_OBJECT(part.release()));
  }

  Object attachment(const Attachment& a) {
    const Ref<GMimeContentType> type(g_mime_content_type_parse(nullptr, a.content_type.c_str()));
    Ref<GMimePart> part(g_mime_part_new_with_type(g_mime_content_type_get_media_type(type.get()),
                                                  g_mime_content_type_get_media_subtype(type.get())));
    auto* object = GMIME_OBJECT(part.get());
    g_mime_object_set_content_type(object, type.get());
    g_mime_object_set_disposition(object, inlined(a) ? "inline" : "attachment");
    if (!a.filename.empty()) {
      g_mime_part_set_filename(part.get(), a.filename.c_str());
      // RFC 2231 where it is defined; for Content-Type's "name", which readers of old look at, RFC 2047.
      auto* disposition = g_mime_object_get_content_disposition(object);
      encode_as(g_mime_content_disposition_get_parameters(disposition), "filename",
                GMIME_PARAM_ENCODING_METHOD_RFC2231);
      encode_as(g_mime_content_type_get_parameters(g_mime_object_get_content_type(object)), "name",
                GMIME_PARAM_ENCODING_METHOD_RFC2047);
    }
    if (!a.content_id.empty()) g_mime_object_set_content_id(object, a.content_id.c_str());
    fill(part.get(), a.content, GMIME_CONTENT_ENCODING_BASE64);
    return Object(GMIME_OBJECT(part.release()));
  }

  static void encode_as(GMimeParamList* list, const char* name, GMimeParamEncodingMethod method) {
    auto* param = g_mime_param_list_get_parameter(list, name);
    if (!param) return;
    g_mime_param_set_charset(param, "utf-8");
    g_mime_param_set_encoding_method(param, method);
  }

  const Draft& draft_;
  std::string digest_;
  int multiparts_ = 0;
};

}  // namespace

Result<std::string> write_entity(const Draft& draft, const std::string& boundary_seed) {
  init_gmime();
  const Object whole = Builder(draft, boundary_seed).whole();
  const std::unique_ptr<GMimeFormatOptions, FreeOptions> options(g_mime_format_options_new());
  const Ref<GMimeStream> memory(g_mime_stream_mem_new());
  {
    const Ref<GMimeStream> filtered(g_mime_stream_filter_new(memory.get()));
    const Ref<GMimeFilter> crlf(g_mime_filter_unix2dos_new(FALSE));
    g_mime_stream_filter_add(GMIME_STREAM_FILTER(filtered.get()), crlf.get());
    if (g_mime_object_write_to_stream(whole.get(), options.get(), filtered.get()) < 0 ||
        g_mime_stream_flush(filtered.get()) < 0)
      return fail(Errc::system, "GMime cannot write the message");
  }
  const auto* bytes = g_mime_stream_mem_get_byte_array(GMIME_STREAM_MEM(memory.get()));
  std::string out(reinterpret_cast<const char*>(bytes->data), bytes->len);
  if (!out.ends_with("\r\n")) out += "\r\n";
  return out;
}

bool valid_content_type(const std::string& value) {
  const auto token = [](std::string_view text) {  // RFC 2045 5.1
    return !text.empty() && std::ranges::all_of(text, [](char c) {
      return !control(c) && static_cast<unsigned char>(c) < 128 &&
             !std::string_view(" ()<>@,;:\\\"/[]?=").contains(c);
    });
  };
  std::string_view type(value);
  type = type.substr(0, type.find(';'));
  while (type.ends_with(' ')) type.remove_suffix(1);
  const auto slash = type.find('/');
  if (slash == type.npos || !token(type.substr(0, slash)) || !token(type.substr(slash + 1))) return false;
  init_gmime();
  const Ref<GMimeContentType> parsed(g_mime_content_type_parse(nullptr, value.c_str()));
  const std::string_view media(g_mime_content_type_get_media_type(parsed.get()));
  return media.size() == slash;
}

}  // namespace relay::mime
