//! Any text as a connection string: `url` has one form, and no password is in what is recorded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use xray_core::Sql;

const PASSWORD: &str = "pl4nted";

fuzz_target!(|input: (u8, &str)| {
    let (form, text) = input;
    let dsn = match form % 6 {
        0 => text.to_owned(),
        1 => format!("postgres://app:{PASSWORD}@{text}"),
        2 => format!("host=db user=app password={PASSWORD} {text}"),
        3 => format!("app:{PASSWORD}@tcp({text})/orders"),
        4 => format!("Server=db;User Id=app;Password={PASSWORD};{text}"),
        _ => format!("jdbc:postgresql://db/orders?user=app&password={PASSWORD}&{text}"),
    };
    let sql = Sql::from_url(&dsn);
    if !text.contains(PASSWORD) {
        for recorded in [sql.name(), sql.url().unwrap_or_default(), sql.user().unwrap_or_default()] {
            assert!(!recorded.contains(PASSWORD), "{dsn:?} records {recorded:?}");
        }
    }
    if let Some(url) = sql.url() {
        let (_, place) = url.split_once("://").expect("a URL has a scheme");
        assert!(place.contains('/'), "{url:?} has no database");
    }
});
