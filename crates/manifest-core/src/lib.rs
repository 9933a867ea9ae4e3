//! manifest-core
