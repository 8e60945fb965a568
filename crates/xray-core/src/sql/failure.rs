//! How failed calls are recorded: the flag and the code of an error.

use std::borrow::Cow;

use crate::flag::Flag;

/// The flag and the code of a failed database call, for [`Sql::on_error`](crate::Sql::on_error) and
/// [`SqlCall::fail`](crate::SqlCall::fail).
///
/// The code becomes the type of the recorded exception. It determines the flag: `error` for what the values of the caller
/// cause, `fault` for everything else.
///
/// | `error` | SQLSTATE | MySQL, MariaDB | SQLite |
/// |---|---|---|---|
/// | a constraint is violated | class 23, 44 | SQLSTATE 23, 1364, 3819 | `SQLITE_CONSTRAINT` (19) |
/// | a value is not valid for its type | class 22 | SQLSTATE 22, 1265, 1366 | `SQLITE_MISMATCH` (20), `SQLITE_TOOBIG` (18) |
/// | too many rows, or none | class 02, 21 | SQLSTATE 02, 21 | |
/// | raised by the application's own SQL | P0001 | SQLSTATE 45 | |
///
/// | `fault`, for example | SQLSTATE | MySQL, MariaDB | SQLite |
/// |---|---|---|---|
/// | syntax, a missing table, no permission | class 42 | SQLSTATE 42 | `SQLITE_ERROR` (1) |
/// | the connection is lost or refused | class 08, 57P01 | 2006, 2013 | |
/// | a timeout, a cancelled statement | 57014, 55P03 | 1205, 1317, 1969, 3024 | `SQLITE_BUSY` (5), `SQLITE_INTERRUPT` (9) |
/// | a deadlock, a serialization failure | class 40 | SQLSTATE 40, 1213 | `SQLITE_LOCKED` (6) |
///
/// ```
/// use xray_core::{Flag, SqlFailure};
///
/// assert_eq!(SqlFailure::sqlstate("23505").flag(), Some(Flag::Error)); // unique violation
/// assert_eq!(SqlFailure::sqlstate("40P01").flag(), Some(Flag::Fault)); // deadlock
/// assert_eq!(SqlFailure::mysql(1062, "23000").code(), "MySQL 1062 (SQLSTATE 23000)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFailure {
    flag: Option<Flag>,
    code: Cow<'static, str>,
}

impl SqlFailure {
    /// A failure with a SQLSTATE, such as `23505`. If it does not have five letters and digits, this is a
    /// [`fault`](SqlFailure::fault).
    pub fn sqlstate(code: &str) -> SqlFailure {
        if !is_sqlstate(code) {
            return SqlFailure::fault();
        }
        SqlFailure { flag: Some(flag_of_state(code)), code: Cow::Owned(format!("SQLSTATE {code}")) }
    }

    /// A failure with an error number of MySQL or MariaDB, such as 1062. `sqlstate` may be empty.
    pub fn mysql(number: u16, sqlstate: &str) -> SqlFailure {
        // Errors without a SQLSTATE of their own: no default value, a check, values that do not fit their column.
        let flag = match number {
            1265 | 1364 | 1366 | 3819 => Flag::Error,
            _ => flag_of_state(sqlstate),
        };
        let code = match is_sqlstate(sqlstate) {
            true => format!("MySQL {number} (SQLSTATE {sqlstate})"),
            false => format!("MySQL {number}"),
        };
        SqlFailure { flag: Some(flag), code: Cow::Owned(code) }
    }

    /// A failure with a result code of SQLite, extended or not, such as 2067 or 19.
    pub fn sqlite(code: i32) -> SqlFailure {
        let flag = match code & 0xff {
            18..=20 => Flag::Error,
            _ => Flag::Fault,
        };
        SqlFailure { flag: Some(flag), code: Cow::Owned(format!("SQLite {code}")) }
    }

    /// A failure that the caller caused, without a code. The exception has the type of the error.
    pub fn error() -> SqlFailure {
        SqlFailure { flag: Some(Flag::Error), code: Cow::Borrowed("") }
    }

    /// A failure of the database, the network or the application, without a code. The exception has the type of the error.
    pub fn fault() -> SqlFailure {
        SqlFailure { flag: Some(Flag::Fault), code: Cow::Borrowed("") }
    }

    /// No failure, such as a query without the expected row: neither a flag nor an exception is recorded.
    pub fn none() -> SqlFailure {
        SqlFailure { flag: None, code: Cow::Borrowed("") }
    }

    /// Replaces the code. Calling this again replaces it again; an empty text leaves the type of the error.
    #[must_use]
    pub fn with_code(mut self, code: impl Into<Cow<'static, str>>) -> SqlFailure {
        self.code = code.into();
        self
    }

    /// Returns the flag. `None` if nothing is recorded.
    pub fn flag(&self) -> Option<Flag> {
        self.flag
    }

    /// Returns the code, which is the type of the exception. It may be empty.
    pub fn code(&self) -> &str {
        &self.code
    }
}

fn is_sqlstate(code: &str) -> bool {
    code.len() == 5 && code.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn flag_of_state(code: &str) -> Flag {
    match code.get(..2) {
        Some("02" | "21" | "22" | "23" | "44" | "45") => Flag::Error,
        _ if code == "P0001" => Flag::Error,
        _ => Flag::Fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_callers_values_cause_is_an_error_and_all_else_a_fault() {
        for (code, flag) in [
            ("23505", Flag::Error), // unique violation
            ("23503", Flag::Error), // foreign key violation
            ("22P02", Flag::Error), // invalid text representation
            ("21000", Flag::Error), // more than one row
            ("44000", Flag::Error), // with check option violation
            ("P0001", Flag::Error), // raise exception
            ("P0002", Flag::Fault),
            ("42601", Flag::Fault), // syntax error
            ("42501", Flag::Fault), // insufficient privilege
            ("40P01", Flag::Fault), // deadlock detected
            ("40001", Flag::Fault), // serialization failure
            ("57014", Flag::Fault), // query cancelled, statement timeout
            ("55P03", Flag::Fault), // lock not available
            ("53300", Flag::Fault), // too many connections
            ("57P01", Flag::Fault), // admin shutdown
            ("08006", Flag::Fault), // connection failure
        ] {
            let failure = SqlFailure::sqlstate(code);
            assert_eq!((failure.flag(), failure.code()), (Some(flag), &*format!("SQLSTATE {code}")), "{code}");
        }
        for (number, state, flag) in [
            (1062, "23000", Flag::Error), // duplicate entry
            (1048, "23000", Flag::Error), // column cannot be null
            (4025, "23000", Flag::Error), // MariaDB: constraint failed
            (3819, "HY000", Flag::Error), // MySQL: check constraint violated
            (1364, "HY000", Flag::Error), // no default value
            (1366, "22007", Flag::Error), // incorrect value
            (1406, "22001", Flag::Error), // data too long
            (1644, "45000", Flag::Error), // signal
            (1064, "42000", Flag::Fault), // syntax
            (1213, "40001", Flag::Fault), // deadlock
            (1205, "HY000", Flag::Fault), // lock wait timeout
            (1969, "70100", Flag::Fault), // MariaDB: max_statement_time exceeded
            (3024, "HY000", Flag::Fault), // MySQL: max_execution_time exceeded
            (1040, "08004", Flag::Fault), // too many connections
            (2013, "", Flag::Fault),      // lost connection
        ] {
            assert_eq!(SqlFailure::mysql(number, state).flag(), Some(flag), "{number}");
        }
        for (code, flag) in [
            (19, Flag::Error),   // SQLITE_CONSTRAINT
            (2067, Flag::Error), // SQLITE_CONSTRAINT_UNIQUE
            (20, Flag::Error),   // SQLITE_MISMATCH
            (1, Flag::Fault),    // SQLITE_ERROR
            (5, Flag::Fault),    // SQLITE_BUSY
            (517, Flag::Fault),  // SQLITE_BUSY_SNAPSHOT
            (9, Flag::Fault),    // SQLITE_INTERRUPT
            (10, Flag::Fault),   // SQLITE_IOERR
        ] {
            assert_eq!(SqlFailure::sqlite(code).flag(), Some(flag), "{code}");
        }
    }

    #[test]
    fn a_code_that_is_none_is_left_out() {
        for code in ["", "2350", "235055", "2350é", "a b c"] {
            assert_eq!(SqlFailure::sqlstate(code), SqlFailure::fault(), "{code}");
        }
        assert_eq!(SqlFailure::mysql(2013, "").code(), "MySQL 2013");
        assert_eq!(SqlFailure::fault().with_code("PoolTimedOut").code(), "PoolTimedOut");
    }
}
