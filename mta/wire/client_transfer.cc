// The half of ClientMachine that is one transaction: commands, content, and the replies to them.
#include <fmt/format.h>

#include <utility>

#include "mta/base/result.h"
#include "mta/wire/client_machine.h"

namespace relay::wire {

void ClientMachine::start(Transaction transaction, Instant now) {
  RELAY_ASSERT(ready() && !result);
  run_.emplace(std::move(transaction), session_);
  if (const auto lack = run_->lacks())
    run_->decide_rest(Fact{Stage::mail, *lack});
  else if (run_->recipients_to_ask() > 0) {
    output.append(run_->mail_command());
    if (session_.offered.pipelining) {
      for (std::size_t i = 0; i < run_->recipients_to_ask(); ++i) output.append(run_->rcpt_command(i));
      if (!by_chunks()) output.append("DATA\r\n");
    }
    return enter(Stage::mail, now);
  }
  finish_transaction(false, now);
}

bool ClientMachine::by_chunks() const {
  return settings_.chunking == Chunking::when_offered && session_.offered.chunking;
}

void ClientMachine::on_mail(const Reply& reply, Instant now) {
  run_->on_mail(reply);
  if (!session_.offered.pipelining) {
    if (!reply.positive()) return finish_transaction(false, now);
    output.append(run_->rcpt_command(0));
  }
  enter(Stage::rcpt, now);
}

void ClientMachine::on_rcpt(const Reply& reply, Instant now) {
  const bool pipelining = session_.offered.pipelining;
  run_->on_rcpt(reply);
  if (!run_->all_answered()) {
    if (!pipelining) output.append(run_->rcpt_command(run_->answered()));
    return enter(Stage::rcpt, now);
  }
  if (!run_->any_accepted() && (by_chunks() || !pipelining))
    return finish_transaction(run_->open_at_host(), now);
  if (by_chunks()) return begin_content(now);
  if (!pipelining) output.append("DATA\r\n");
  enter(Stage::data, now);
}

void ClientMachine::on_data(const Reply& reply, Instant now) {
  if (!reply.positive()) {
    run_->decide_rest(Fact{Stage::data, reply});
    return finish_transaction(run_->open_at_host(), now);
  }
  if (!run_->any_accepted()) {
    // RFC 2920 3.1: 354 although every recipient was refused: a message of nothing, and its reply is ignored.
    output.append(".\r\n");
    return enter(Stage::final_dot, now);
  }
  begin_content(now);
}

void ClientMachine::begin_content(Instant now) {
  content_.emplace(run_->body(), by_chunks() ? DotStuffer::Framing::chunks : DotStuffer::Framing::dots);
  enter(Stage::content,
        now);  // also if the commands before it still lie there, so that no block is added yet
  send_content(now);
}

// A block, which by BDAT is a chunk. Without pipelining each chunk waits for the reply to the one before.
void ClientMachine::send_content(Instant now) {
  // A block that has not been fetched yet is enough.
  if (output.bytes() >= settings_.content_block_bytes) return;
  if (chunks_owed_ > 0 && !session_.offered.pipelining) return enter(Stage::content, now);
  Output block;
  const bool whole = content_->emit(block, settings_.content_block_bytes);
  if (by_chunks()) {
    output.append(fmt::format("BDAT {}{}\r\n", block.bytes(), whole ? " LAST" : ""));
    ++chunks_owed_;
  }
  output.append(std::move(block));
  if (whole) run_->tell_end();  // nobody has taken the output yet
  enter(whole ? Stage::final_dot : Stage::content, now);
}

// RFC 3030 2: each chunk has its reply, those before the last too.
void ClientMachine::on_chunk(const Reply& reply, Instant now) {
  const bool intermediate = reply.code / 100 == 3;
  if (intermediate) return out_of_step(fmt::format("an unexpected reply {}", reply.text()));
  if (!reply.positive()) {
    // The message is refused whatever comes after; what is on its way then means nothing to the host, or
    // worse, commands.
    stage_ = Stage::content;
    return end(reply, Manner::at_once);
  }
  --chunks_owed_;
  if (stage_ == Stage::content) send_content(now);
}

void ClientMachine::on_final(const Reply& reply, Instant now) {
  const bool chunked = std::exchange(chunks_owed_, 0) > 0;
  run_->decide_rest(Fact{Stage::final_dot, reply});
  // RFC 3030 2: after a chunk that was refused only RSET is sure to end the transaction.
  finish_transaction(chunked && !reply.positive(), now);
}

void ClientMachine::finish_transaction(bool reset, Instant now) {
  result = run_->finish();
  run_.reset();
  content_.reset();
  if (!reset) return become_idle();
  output.append("RSET\r\n");
  enter(Stage::rset, now);
}

}  // namespace relay::wire
