#include "mta/mime/compose.h"

#include "mta/mime/draft_check.h"
#include "mta/mime/entity.h"
#include "mta/mime/field.h"
#include "mta/mime/utf8.h"

namespace relay::mime {

Result<std::shared_ptr<Body>> compose(const Draft& draft, WallTime date, const std::string& message_id) {
  if (auto checked = check_draft(draft); !checked) return std::unexpected(checked.error());
  auto entity = write_entity(draft, message_id);
  if (!entity) return std::unexpected(entity.error());

  std::string header = "Date: " + format_rfc5322(date) + "\r\n";
  header += mailbox_field("From", {&draft.from, 1});
  if (!draft.reply_to.empty()) header += mailbox_field("Reply-To", draft.reply_to);
  if (!draft.to.empty()) header += mailbox_field("To", draft.to);
  if (!draft.cc.empty()) header += mailbox_field("Cc", draft.cc);
  header += text_field("Subject", draft.subject);
  header += "Message-ID: " + (message_id.starts_with('<') ? message_id : "<" + message_id + ">") + "\r\n";
  for (const auto& [name, value] : draft.headers) header += formed_field(name, value);
  header += "MIME-Version: 1.0\r\n";

  if (longest_line(header) > max_line || longest_line(*entity) > max_line)
    return fail(Errc::invalid, "/: the message would have a line over 998 bytes");
  auto body = std::make_shared<Body>(std::move(header));
  body->append(*std::move(entity));
  return body;
}

}  // namespace relay::mime
