# llhttp as a target: the library where the system has one (Debian 13), else built from the C sources that
# Debian 12's node-llhttp package ships for this purpose.
find_path(LLHTTP_INCLUDE llhttp.h PATH_SUFFIXES llhttp PATHS /usr/share/include NO_CACHE)
find_library(LLHTTP_LIBRARY llhttp NO_CACHE)
find_path(LLHTTP_SOURCES llhttp.c PATHS /usr/share/llhttp NO_DEFAULT_PATH NO_CACHE)
if(LLHTTP_INCLUDE AND LLHTTP_LIBRARY)
  add_library(llhttp INTERFACE)
  target_link_libraries(llhttp INTERFACE ${LLHTTP_LIBRARY})
  target_include_directories(llhttp SYSTEM INTERFACE ${LLHTTP_INCLUDE})
elseif(LLHTTP_INCLUDE AND LLHTTP_SOURCES)
  add_library(llhttp STATIC ${LLHTTP_SOURCES}/llhttp.c ${LLHTTP_SOURCES}/api.c ${LLHTTP_SOURCES}/http.c)
  target_include_directories(llhttp SYSTEM PUBLIC ${LLHTTP_INCLUDE})
  # Version 8 is strict only when built so; from 9 on it always is.
  target_compile_definitions(llhttp PUBLIC LLHTTP_STRICT_MODE=1)
else()
  message(FATAL_ERROR "llhttp not found: install node-llhttp (Debian 12) or libllhttp-dev (Debian 13)")
endif()
