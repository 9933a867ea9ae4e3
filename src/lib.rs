//! vopr
