#include "spool/file.h"

#include <fcntl.h>

#include <cerrno>

namespace relay::spool {

int sync_directory(const std::string& path) {
  const File directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return directory.get() >= 0 && ::fsync(directory.get()) == 0 ? 0 : errno;
}

}  // namespace relay::spool
