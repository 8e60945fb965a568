//! Calls of drivers that no adapter knows, recorded through core's door. The page `docs/databases.md` shows this code.

pub mod deadpool;
pub mod postgres;
pub mod sqlite;
