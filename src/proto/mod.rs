//! RFC 6455 as a library, for both roles: bytes to meaning and back, with no sockets, no clock
//! and no topics.
