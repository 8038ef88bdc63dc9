# What `make install` puts where: libraries, headers, command, man page, pkg-config file, CMake package.
include(CMakePackageConfigHelpers)

install(TARGETS ebb_shared ebb_static EXPORT ebbTargets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/ebb DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET ebb)
  install(TARGETS ebb RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
# The models of `ebb demo`, which looks for ../share/ebb/models beside its own folder.
install(DIRECTORY examples/models DESTINATION share/ebb FILES_MATCHING PATTERN "digits_*")
install(FILES docs/man/ebb.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)

set(ebb_private_libraries "-lz -lprotobuf-c -lsnappy -lm -ldl -pthread")
# The prefix is told from where the file lies, so `cmake --install --prefix` and DESTDIR need no new configuration.
file(RELATIVE_PATH ebb_prefix_from_pc ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(cmake/ebb.pc.in ebb.pc @ONLY)
install(FILES ${CMAKE_BINARY_DIR}/ebb.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(cmake/ebbConfig.cmake.in ebbConfig.cmake
  INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
write_basic_package_version_file(ebbConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/ebbConfig.cmake ${CMAKE_BINARY_DIR}/ebbConfigVersion.cmake
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
install(EXPORT ebbTargets NAMESPACE ebb:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/ebb)
