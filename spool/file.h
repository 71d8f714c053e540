// File: an open file descriptor, closed with its owner. -1 is none.
#pragma once
#include <unistd.h>

#include <string>
#include <utility>

namespace relay::spool {

class File {
 public:
  File() = default;
  explicit File(int descriptor) : descriptor_(descriptor) {}
  File(File&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  File& operator=(File other) noexcept {
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }
  ~File() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_ = -1;
};

// So that the names in it survive a power cut. 0, or an errno.
int sync_directory(const std::string& path);

}  // namespace relay::spool
