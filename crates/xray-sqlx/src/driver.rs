//! What the drivers know about their databases and errors.

use sqlx_core::connection::Connection;
use sqlx_core::database::Database;
use sqlx_core::error::DatabaseError;
use xray_core::{Sql, SqlFailure};

pub(crate) type Options<DB> = <<DB as Database>::Connection as Connection>::Options;

/// A database whose calls can be recorded: PostgreSQL, MySQL and MariaDB, or SQLite, each with its feature.
pub trait Driver: Database + sealed::Driver {}

impl<DB: Database + sealed::Driver> Driver for DB {}

pub(crate) mod sealed {
    use super::*;

    pub trait Driver: Database {
        /// Describes the database that these options connect to.
        fn describe(options: &Options<Self>) -> Sql;

        /// Returns the version of the database, if the connection knows it.
        fn version(_connection: &Self::Connection) -> Option<String> {
            None
        }

        /// Returns the flag and the code of an error.
        fn failure(error: &dyn DatabaseError) -> SqlFailure;
    }
}

/// Returns the host as a name or an address. A socket is on this host.
#[cfg(any(feature = "postgres", feature = "mysql"))]
fn host(host: &str, has_socket: bool) -> &str {
    if has_socket || host.starts_with('/') { "localhost" } else { host }
}

#[cfg(feature = "postgres")]
impl sealed::Driver for sqlx_postgres::Postgres {
    fn describe(options: &Options<Self>) -> Sql {
        let has_socket = options.get_socket().is_some();
        // The server's default.
        let database = options.get_database().unwrap_or_else(|| options.get_username());
        let host = host(options.get_host(), has_socket);
        Sql::to("postgresql", host, Some(options.get_port()), database, Some(options.get_username()))
    }

    fn version(connection: &Self::Connection) -> Option<String> {
        let number = connection.server_version_num()?;
        // 90624 is 9.6.24, 150004 is 15.4.
        Some(match number {
            ..100_000 => format!("{}.{}.{}", number / 10_000, number / 100 % 100, number % 100),
            _ => format!("{}.{}", number / 10_000, number % 10_000),
        })
    }

    fn failure(error: &dyn DatabaseError) -> SqlFailure {
        error.code().map_or_else(SqlFailure::fault, |code| SqlFailure::sqlstate(&code))
    }
}

#[cfg(feature = "mysql")]
impl sealed::Driver for sqlx_mysql::MySql {
    fn describe(options: &Options<Self>) -> Sql {
        let has_socket = options.get_socket().is_some();
        let (host, database) = (host(options.get_host(), has_socket), options.get_database().unwrap_or_default());
        Sql::to("mysql", host, Some(options.get_port()), database, Some(options.get_username()))
    }

    fn failure(error: &dyn DatabaseError) -> SqlFailure {
        match error.try_downcast_ref::<sqlx_mysql::MySqlDatabaseError>() {
            Some(error) => SqlFailure::mysql(error.number(), error.code().unwrap_or_default()),
            None => SqlFailure::fault(),
        }
    }
}

#[cfg(feature = "sqlite")]
impl sealed::Driver for sqlx_sqlite::Sqlite {
    fn describe(options: &Options<Self>) -> Sql {
        let file = options.get_filename().to_string_lossy();
        // Parameters follow the path in this form.
        let file = file.strip_prefix("file:").map_or(&*file, |uri| uri.split('?').next().unwrap_or_default());
        // The name that sqlx gives to a database in memory has a number, which differs in each pool.
        let file = if file.starts_with("sqlx-in-memory-") { ":memory:" } else { file.trim_start_matches('/') };
        Sql::to("sqlite", "localhost", None, file, None)
    }

    fn failure(error: &dyn DatabaseError) -> SqlFailure {
        let code = error.code().and_then(|code| code.parse().ok());
        code.map_or_else(SqlFailure::fault, SqlFailure::sqlite)
    }
}
