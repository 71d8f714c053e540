#include "mta/mime/gmime_init.h"

#include <gmime/gmime.h>

#include <mutex>

namespace relay::mime {

void init_gmime() {
  static std::once_flag once;
  std::call_once(once, [] { g_mime_init(); });
}

}  // namespace relay::mime
