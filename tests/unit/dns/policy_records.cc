#include "mta/dns/policy_records.h"

#include <doctest/doctest.h>

using namespace relay::dns;

namespace {
using Texts = std::vector<std::string>;
}

TEST_CASE("the id of an MTA-STS policy") {
  struct Case {
    Texts texts;
    std::string id;  // empty: there is no policy
  };
  const Case cases[] = {
      {{"v=STSv1; id=20160831085700Z;"}, "20160831085700Z"},  // RFC 8461 3.1
      {{"v=STSv1;id=1"}, "1"},
      {{"v=STSv1 \t; \tid=1 \t; "}, "1"},
      {{"v=STSv1; a.b-c_d=x=y; id=1"}, "1"},
      {{"v=spf1 -all", "v=STSv1; id=1", "v=STSv12; id=2", "x"}, "1"},
      {{"v=STSv1; id=" + std::string(32, 'a')}, std::string(32, 'a')},
      {{"v=STSv1; id=" + std::string(33, 'a')}, ""},
      {{"v=STSv1; id=1; id=2"}, "1"},
      {{"v=STSv1; id=1", "v=STSv1; id=2"}, ""},  // more than one is none
      {{"v=STSv1; id=1", "v=STSv1"}, ""},
      {{}, ""},
      {{""}, ""},
      {{"v=STSv1"}, ""},
      {{"v=STSv1;"}, ""},
      {{"v=STSv1; id="}, ""},
      {{"v=STSv1; id=a-b"}, ""},
      {{"v=STSv1; id=a b"}, ""},
      {{"v=STSv1; id"}, ""},
      {{"v=STSv1; Id=1"}, ""},
      {{"v=STSv1;; id=1"}, ""},
      {{"v=STSv1; id=1;;"}, ""},
      {{"v=STSv1; .x=1; id=1"}, ""},
      {{"v=STSv1; x=\x01; id=1"}, ""},
      {{"v=stsv1; id=1"}, ""},
      {{" v=STSv1; id=1"}, ""},
      {{"v=STSv1 id=1"}, ""},
      {{"id=1; v=STSv1"}, ""},
  };
  for (const auto& c : cases) {
    CAPTURE(c.texts);
    CHECK(mta_sts_id(c.texts).value_or("") == c.id);
  }
}

TEST_CASE("where reports about TLS go") {
  struct Case {
    Texts texts;
    Texts uris;
  };
  const Case cases[] = {
      {{"v=TLSRPTv1;rua=mailto:reports@example.com"}, {"mailto:reports@example.com"}},  // RFC 8460 3
      {{"v=TLSRPTv1; rua=https://reporting.example.com/v1/tlsrpt"},
       {"https://reporting.example.com/v1/tlsrpt"}},
      {{"v=TLSRPTv1; rua=mailto:a@b.example , HTTPS://c.example/; x=y;"},
       {"mailto:a@b.example", "HTTPS://c.example/"}},
      {{"v=TLSRPTv1; rua=ftp://x.example/,mailto:a@b.example,http://y.example/"}, {"mailto:a@b.example"}},
      {{"v=TLSRPTv1; rua=mailto:a@b.example!10m"}, {}},
      {{"v=TLSRPTv1; rua=mailto:a b@c.example"}, {}},
      {{"v=TLSRPTv1; rua=mailto:nobody"}, {}},
      {{"v=TLSRPTv1; rua=mailto:@b.example"}, {}},
      {{"v=TLSRPTv1; rua=https://"}, {}},
      {{"v=TLSRPTv1; rua=,"}, {}},
      {{"v=TLSRPTv1; rua="}, {}},
      {{"v=TLSRPTv1; x=y"}, {}},
      {{"v=TLSRPTv1; x y=z; rua=mailto:a@b.example"}, {}},
      {{"v=TLSRPTv1; nonsense; rua=mailto:a@b.example"}, {}},
      {{"v=TLSRPTv1"}, {}},
      {{"v=TLSRPTv1;rua=mailto:a@b.example", "v=TLSRPTv1;rua=mailto:a@b.example"}, {}},
      {{"v=spf1", "v=TLSRPTv1;rua=mailto:a@b.example"}, {"mailto:a@b.example"}},
      {{}, {}},
  };
  for (const auto& c : cases) {
    CAPTURE(c.texts);
    CHECK(tls_report_uris(c.texts) == c.uris);
  }
}
