# What `cmake --install` puts where, and the Debian package of it (cpack -G DEB). scripts/package
# configures with the prefix /usr; conffiles, maintainer scripts and copyright are in this folder.
include(GNUInstallDirs)
set(documents ${CMAKE_INSTALL_DOCDIR})

install(TARGETS statute RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY policies/ DESTINATION ${CMAKE_INSTALL_DATADIR}/statute/policies
  FILES_MATCHING PATTERN "*.lua" PATTERN "README.md" PATTERN "*_spec.lua" EXCLUDE PATTERN ".*" EXCLUDE)
install(FILES examples/deployment/statute.service DESTINATION lib/systemd/system)
install(FILES examples/deployment/statute.env DESTINATION ${CMAKE_INSTALL_FULL_SYSCONFDIR}/default
  RENAME statute PERMISSIONS OWNER_READ OWNER_WRITE GROUP_READ)
install(FILES README.md scripts/debian/copyright DESTINATION ${documents})
install(FILES engine/api/README.md DESTINATION ${documents} RENAME reference.md)
install(DIRECTORY examples/deployment DESTINATION ${documents}/examples)

# Debian wants the changelog compressed, without a time stamp.
find_program(GZIP gzip)
if(GZIP)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS CHANGELOG.md)
  execute_process(COMMAND ${GZIP} -9nc ${CMAKE_CURRENT_SOURCE_DIR}/CHANGELOG.md
    OUTPUT_FILE ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz COMMAND_ERROR_IS_FATAL ANY)
  install(FILES ${CMAKE_CURRENT_BINARY_DIR}/changelog.gz DESTINATION ${documents})
endif()

set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_CONTACT "the statute authors <maintainers@statute.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "state machines with permissions and an audit trail, scripted in Lua")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
"statute decides who may do what next, and keeps proof of what happened, in
one database commit. Rules are small Lua tables that are loaded while it runs
and served over HTTP; every attempt is in a hash-chained audit before it is
answered. It keeps its data in SQLite or PostgreSQL.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "passwd, tzdata")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "haproxy, postgresql, redis-server, sqlite3")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(maintainer ${CMAKE_CURRENT_SOURCE_DIR}/scripts/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${maintainer}/conffiles ${maintainer}/postinst ${maintainer}/prerm ${maintainer}/postrm)
include(CPack)
