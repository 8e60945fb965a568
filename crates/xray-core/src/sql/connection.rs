//! Connection strings, in the forms of databases and their drivers.
//!
//! A text either matches a form as a whole, or nothing of it is used except a known scheme. So no password is mistaken
//! for a host or a database.

use std::borrow::Cow;

use crate::url::{decoded, split_user};

const LOCALHOST: &str = "localhost";
/// The largest length of a connection string, in bytes. A longer text is not parsed.
const MAX_LEN: usize = 8 * 1024;

/// The place of a database, and the user that connects.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Connection {
    /// The scheme of its URL: `postgresql`, `mysql`. Empty if unknown.
    pub(super) kind: Cow<'static, str>,
    /// Empty if the text has no known form.
    pub(super) host: String,
    pub(super) port: Option<u16>,
    pub(super) database: String,
    pub(super) user: Option<String>,
}

impl Connection {
    /// Parses a connection string of any form.
    pub(super) fn parse(text: &str) -> Connection {
        let text = without_quotes(text.trim());
        let (text, is_jdbc) = match text.get(..5) {
            Some(prefix) if prefix.eq_ignore_ascii_case("jdbc:") => (&text[5..], true),
            _ => (text, false),
        };
        let scheme = text.split(':').next().unwrap_or_default();
        let read = || {
            if text.len() > MAX_LEN {
                return None;
            }
            if is_jdbc && matches!(&*kind_of(scheme), "oracle" | "sqlserver" | "db2") {
                return jdbc(text);
            }
            file(text)
                .or_else(|| url(text))
                .or_else(|| go_mysql(text))
                .or_else(|| pdo(text))
                .or_else(|| parameters(text))
                .or_else(|| key_values(text))
                .or_else(|| easy_connect(text))
        };
        let Some(mut connection) = read() else {
            // Only the kind, if the scheme is a known one.
            let kind = text.split_once(':').and_then(|(scheme, _)| known_kind(scheme)).unwrap_or_default();
            return Connection { kind: kind.into(), ..Connection::default() };
        };
        // In `user%3Apassword` the colon was encoded as well.
        connection.user = connection.user.map(|user| user.split(':').next().unwrap_or_default().to_owned());
        connection
    }
}

/// Returns a text without the quotes that configuration files put around it.
fn without_quotes(text: &str) -> &str {
    let inner = ['"', '\'', '`'].iter().find_map(|quote| text.strip_prefix(*quote)?.strip_suffix(*quote));
    inner.unwrap_or(text)
}

/// Returns the canonical name of a database: `postgresql` for `postgres` and `postgresql+psycopg2`.
pub(super) fn kind_of(scheme: &str) -> Cow<'static, str> {
    let scheme = scheme.split('+').next().unwrap_or_default();
    match known_kind(scheme) {
        Some(kind) => kind.into(),
        None => scheme.to_ascii_lowercase().into(),
    }
}

/// Returns the canonical name of a known database, by any of its schemes.
fn known_kind(scheme: &str) -> Option<&'static str> {
    Some(match &*scheme.split('+').next().unwrap_or_default().to_ascii_lowercase() {
        "postgres" | "postgresql" | "pgsql" | "psql" => "postgresql",
        "mysql" | "mysql2" | "mysqlx" => "mysql",
        "mariadb" => "mariadb",
        "sqlite" | "sqlite3" => "sqlite",
        "mssql" | "sqlserver" | "sqlsrv" | "dblib" => "sqlserver",
        "oracle" | "oci" => "oracle",
        _ => return None,
    })
}

/// Parses the forms of SQLite: `sqlite:data/shop.db`, `sqlite://shop.db`, `file:shop.db?mode=ro`, `:memory:`,
/// `shop.sqlite3`.
fn file(text: &str) -> Option<Connection> {
    let path = match text.split_once(':') {
        Some((scheme, path)) if known_kind(scheme) == Some("sqlite") || scheme.eq_ignore_ascii_case("file") => {
            path.strip_prefix("//").unwrap_or(path)
        }
        _ if text == ":memory:" => text,
        _ if has_file_ending(text) && !text.contains(['@', '=', ';']) && !text.contains("://") => text,
        _ => return None,
    };
    // Options may contain the keys of encrypted files.
    let path = path.split(['?', '#', ';']).next().unwrap_or_default();
    let path = path.strip_prefix("localhost/").unwrap_or(path).replace('\\', "/");
    let path = path.trim_start_matches('/');
    let database = path.strip_prefix("./").unwrap_or(path).to_owned();
    Some(Connection { kind: "sqlite".into(), host: LOCALHOST.into(), database, ..Connection::default() })
}

fn has_file_ending(text: &str) -> bool {
    let path = text.split('?').next().unwrap_or_default().to_ascii_lowercase();
    [".db", ".db3", ".sqlite", ".sqlite3"].iter().any(|ending| path.ends_with(ending))
}

/// Parses forms that only JDBC has, without `jdbc:`: `oracle:thin:user/password@//host:1521/service`,
/// `oracle:thin:@host:1521:sid`, `sqlserver://host:1433;databaseName=shop;user=app`, `db2://host:50000/SHOP:user=app;`.
fn jdbc(text: &str) -> Option<Connection> {
    let (scheme, rest) = text.split_once(':')?;
    match &*kind_of(scheme) {
        "oracle" => {
            let rest = rest.split_once(':').map_or(rest, |(_driver, rest)| rest);
            easy_connect(rest)
        }
        "sqlserver" => {
            let (server, properties) = rest.strip_prefix("//")?.split_once(';').unwrap_or((&rest[2..], ""));
            let pairs = pairs(properties)?;
            let server = if server.is_empty() { value(&pairs, &["servername", "server"])? } else { server.to_owned() };
            let (host, port) = server_and_port(&server)?;
            Some(Connection {
                kind: "sqlserver".into(),
                host,
                port: port.or_else(|| value(&pairs, &["portnumber", "port"])?.parse().ok()),
                database: value(&pairs, &["databasename", "database"]).unwrap_or_default(),
                user: value(&pairs, &["user", "username"]),
            })
        }
        "db2" => {
            let (place, properties) = match rest.rsplit_once('/') {
                Some((place, database)) => match database.split_once(':') {
                    Some((database, properties)) => (format!("{place}/{database}"), properties),
                    None => (rest.to_owned(), ""),
                },
                None => return None,
            };
            let user = value(&pairs(properties)?, &["user"]);
            url(&format!("db2:{place}")).map(|connection| Connection { user, ..connection })
        }
        _ => None,
    }
}

/// Parses a URL: `scheme://user:password@host:port,host:port/database?options`.
fn url(text: &str) -> Option<Connection> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.:".contains(&byte);
    if scheme.is_empty() || !scheme.bytes().all(is_scheme) {
        return None;
    }
    // JDBC also names modes and drivers: `mysql:loadbalance`, `jtds:sqlserver`.
    let named = scheme.split(':').find_map(known_kind);
    let kind = named.map_or_else(|| kind_of(scheme.split(':').next().unwrap_or_default()), Cow::Borrowed);
    let (credentials, rest) = split_user(rest);
    let (rest, query) = rest.split_at(rest.find(['?', '#', ';']).unwrap_or(rest.len()));
    let option = |names: &[&str]| {
        let pairs = query.get(1..)?.split(['&', ';']).filter_map(|pair| pair.split_once('='));
        let mut values = pairs.filter(|(key, _)| names.contains(&&*key.to_ascii_lowercase()));
        values.next().map(|(_, value)| decoded(value).into_owned()).filter(|value| !value.is_empty())
    };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (mut host, mut port) = first_host(authority)?;
    if host.is_empty() {
        host = option(&["host", "hostaddr"]).and_then(|host| socket_or_host(&host)).unwrap_or_else(|| LOCALHOST.into());
        port = port.or_else(|| option(&["port"])?.parse().ok());
    }
    let database = option(&["dbname", "database", "databasename", "db"]);
    let database = match (path.trim_start_matches('/'), database) {
        (path, _) if path.contains(char::is_whitespace) => return None,
        // In a URL of SQL Server the path is the instance.
        (_, Some(database)) if kind == "sqlserver" => database,
        ("", database) => database.unwrap_or_default(),
        (path, _) => decoded(path).into_owned(),
    };
    let user = match credentials.map(|credentials| credentials.split(':').next().unwrap_or_default()) {
        // This is another form with parameters, whose password contains an `@`.
        Some(user) if user.contains(['=', ';']) => return None,
        Some(user) => Some(decoded(user).into_owned()),
        None => option(&["user", "username"]),
    };
    Some(Connection { kind, host, port, database, user })
}

/// Parses the form of Go's MySQL driver: `user:password@tcp(host:3306)/database?options`,
/// `user@unix(/run/mysql.sock)/database`.
fn go_mysql(text: &str) -> Option<Connection> {
    let text = match text.split_once("://") {
        Some((scheme, rest)) if matches!(known_kind(scheme), Some("mysql" | "mariadb")) => rest,
        _ => text,
    };
    let (before, address, after) = match text.rfind(")/") {
        Some(end) => {
            let start = text[..end].rfind('(')?;
            (&text[..start], &text[start + 1..end], &text[end + 2..])
        }
        None => {
            let end = text.rfind("@/").filter(|end| !text[end + 2..].starts_with('/'))?;
            (&text[..end + 1], "", &text[end + 2..])
        }
    };
    let (credentials, protocol) = before.rsplit_once('@').unwrap_or(("", before));
    if !protocol.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    let user = credentials.split(':').next().unwrap_or_default();
    // This is another form, whose password only resembles this one.
    if user.contains(['=', ';', '/', ' ']) {
        return None;
    }
    let (host, port) = match protocol {
        "tcp" | "tcp6" | "tcp4" | "" if !address.is_empty() => split_port(address.split(',').next()?),
        _ => (LOCALHOST, None),
    };
    Some(Connection {
        kind: "mysql".into(),
        host: host_name(host)?,
        port,
        database: decoded(after.split('?').next()?).into_owned(),
        user: Some(user.to_owned()),
    })
}

/// Parses the form of PHP's PDO: `mysql:host=db;port=3306;dbname=shop`.
fn pdo(text: &str) -> Option<Connection> {
    let (scheme, rest) = text.split_once(':')?;
    let kind = known_kind(scheme)?;
    Some(Connection { kind: kind.into(), ..parameters(rest)? })
}

/// Parses the form of ADO and ODBC: `Server=host,1433;Database=shop;User Id=app;Password=…`.
fn parameters(text: &str) -> Option<Connection> {
    // Several pairs without a semicolon have the form of libpq.
    if !text.contains(';') && text.matches('=').count() != 1 {
        return None;
    }
    let pairs = pairs(text)?;
    let port = value(&pairs, &["port"]).and_then(|port| port.parse::<u16>().ok());
    let user = value(&pairs, &["user id", "uid", "user", "username", "user name"]);
    let database = value(&pairs, &["database", "initial catalog", "dbname", "databasename"]);
    let names = ["server", "data source", "host", "addr", "address", "network address", "hostname", "dbq", "filename"];
    let server = value(&pairs, &names)?;
    if has_file_ending(&server) || server == ":memory:" {
        return file(&server);
    }
    if server.contains('/') && !server.starts_with(['/', '(']) || server.starts_with("//") || server.contains("=") {
        return easy_connect(&format!("@{server}")).map(|connection| Connection { user, ..connection });
    }
    let driver = value(&pairs, &["driver", "provider"]).unwrap_or_default().to_ascii_lowercase();
    let is_key = |name: &str| pairs.iter().any(|(key, _)| key == name);
    let kind = match () {
        () if driver.contains("postgres") || driver.contains("psql") => "postgresql",
        () if driver.contains("mysql") => "mysql",
        () if driver.contains("maria") => "mariadb",
        () if driver.contains("oracle") => "oracle",
        () if !driver.is_empty() => "sqlserver",
        () if port == Some(3306) => "mysql",
        () if port == Some(5432) || is_key("dbname") || (is_key("host") && is_key("username")) => "postgresql",
        () => "sqlserver",
    };
    let (host, own_port) = server_and_port(&server)?;
    Some(Connection { kind: kind.into(), host, port: own_port.or(port), database: database.unwrap_or_default(), user })
}

/// Parses `Key=value;Key={value};Key="value"`. Returns `None` if a part is not a pair, as after a `;` in a password.
fn pairs(text: &str) -> Option<Vec<(String, String)>> {
    let mut pairs = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() || !key.chars().all(|c| c.is_alphanumeric() || " _-.".contains(c)) {
            return None;
        }
        let after = after.trim_start();
        let (value, after) = match after.chars().next() {
            Some('{') => until_closed(&after[1..], '}')?,
            Some(quote @ ('"' | '\'')) => until_closed(&after[1..], quote)?,
            _ => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim().to_owned(), &after[end..])
            }
        };
        pairs.push((key, value));
        rest = after.trim_start();
        rest = match rest.strip_prefix(';') {
            Some(rest) => rest.trim_start_matches([';', ' ']),
            None if rest.is_empty() => rest,
            None => return None,
        };
    }
    Some(pairs)
}

/// Returns the text up to the closing mark, and the rest after it. A doubled mark is part of the text.
fn until_closed(text: &str, close: char) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c == close && chars.next_if(|(_, next)| *next == close).is_none() {
            return Some((value, &text[at + close.len_utf8()..]));
        }
        value.push(c);
    }
    None
}

/// Returns the first non-empty value with one of these names.
fn value(pairs: &[(String, String)], names: &[&str]) -> Option<String> {
    let found = pairs.iter().find(|(key, _)| names.contains(&&**key))?;
    Some(found.1.clone()).filter(|value| !value.is_empty())
}

/// Parses the form of libpq: `host=db port=5432 user=app password='…' dbname=shop`.
fn key_values(text: &str) -> Option<Connection> {
    let mut connection = Connection { kind: "postgresql".into(), ..Connection::default() };
    let mut is_known = false;
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim();
        if key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
            return None;
        }
        let after = after.trim_start();
        let is_quoted = after.starts_with('\'');
        let (value, after) = libpq_value(after)?;
        // This is another form, in which the value contains the next parameter.
        if !is_quoted && key != "password" && (value.contains([';', '&', '=']) || value.ends_with(',')) {
            return None;
        }
        match key {
            "host" => connection.host = socket_or_host(value.split(',').next()?)?,
            "hostaddr" if connection.host.is_empty() => connection.host = host_name(value.split(',').next()?)?,
            "port" => connection.port = value.split(',').next()?.parse().ok(),
            "user" => connection.user = Some(value),
            "dbname" => connection.database = value,
            _ => {}
        }
        is_known |= matches!(key, "host" | "hostaddr" | "dbname" | "user" | "port" | "service");
        rest = after.trim_start();
    }
    if connection.host.is_empty() {
        connection.host = LOCALHOST.into();
    }
    // libpq allows a connection string as the name of the database.
    let is_plain = !connection.database.contains(['=', '@']) && !connection.database.contains("://");
    (is_known && is_plain).then_some(connection)
}

/// Parses a value of libpq's form, in which quotes and backslashes may escape characters, and returns the rest.
fn libpq_value(text: &str) -> Option<(String, &str)> {
    let is_quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(is_quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.push(chars.next()?.1),
            '\'' if is_quoted => return Some((value, &text[at + 1..])),
            c if c.is_whitespace() && !is_quoted => return Some((value, &text[at..])),
            c => value.push(c),
        }
    }
    (!is_quoted).then_some((value, ""))
}

/// Parses the forms of Oracle: `user/password@//host:1521/service`, `user/password@host/service`,
/// `user/password@host:1521:sid`, `//host/service`, `user/password@tcps://host:2484/service`,
/// `user/password@(DESCRIPTION=…)`.
fn easy_connect(text: &str) -> Option<Connection> {
    let (credentials, address) = match text.rsplit_once('@') {
        Some((credentials, address)) => (Some(credentials), address),
        None => (None, text.starts_with("//").then_some(text)?),
    };
    let user = credentials.map(|text| text.split('/').next().unwrap_or_default());
    if user.is_some_and(|user| !user.chars().all(|c| c.is_alphanumeric() || "_$#[]\"".contains(c))) {
        return None;
    }
    let user = user.filter(|user| !user.is_empty()).map(|user| user.trim_matches('"').to_owned());
    if address.starts_with('(') {
        return descriptor(address).map(|connection| Connection { user, ..connection });
    }
    let address = ["tcp:", "tcps:"].iter().find_map(|protocol| address.strip_prefix(protocol)).unwrap_or(address);
    // A single word is a name in a directory service.
    let address = match address.strip_prefix("//") {
        Some(address) => address,
        None => address.contains([':', '/']).then_some(address)?,
    };
    let address = address.split('?').next()?;
    let (authority, service) = match address.split_once('/') {
        Some((authority, service)) => (authority, service),
        None => match address.splitn(3, ':').collect::<Vec<_>>()[..] {
            [_, _, sid] => (&address[..address.len() - sid.len() - 1], sid),
            _ => (address, ""),
        },
    };
    // `service:server/instance`
    let service = service.split([':', '/']).next().unwrap_or_default();
    let (host, port) = first_host(authority)?;
    if host.is_empty() || !is_word(service) {
        return None;
    }
    Some(Connection { kind: "oracle".into(), host, port, database: service.to_owned(), user })
}

/// Parses Oracle's descriptor:
/// `(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=db)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=orcl)))`.
fn descriptor(text: &str) -> Option<Connection> {
    let part = |name: &str| {
        let mut parts = text.split('(').filter_map(|part| part.split_once('='));
        let (_, value) = parts.find(|(key, _)| key.trim().eq_ignore_ascii_case(name))?;
        Some(value.split(')').next().unwrap_or_default().trim())
    };
    let database = part("SERVICE_NAME").or_else(|| part("SID")).unwrap_or_default();
    Some(Connection {
        kind: "oracle".into(),
        host: host_name(part("HOST")?)?,
        port: part("PORT").and_then(|port| port.parse().ok()),
        database: is_word(database).then(|| database.to_owned())?,
        user: None,
    })
}

fn is_word(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || "_.-$#".contains(c))
}

/// Returns the first host of an authority and its port, or `None` if it is not a valid host.
fn first_host(authority: &str) -> Option<(String, Option<u16>)> {
    let first = authority.split(',').next().unwrap_or_default();
    let (host, port) = split_port(first);
    let has_port = host.len() < first.len();
    if has_port && port.is_none() && !first.ends_with(':') {
        return None;
    }
    Some((if host.is_empty() { String::new() } else { socket_or_host(&decoded(host))? }, port))
}

/// Returns the host, or `localhost` for a directory of Unix sockets.
fn socket_or_host(host: &str) -> Option<String> {
    if host.starts_with(['/', '@']) { Some(LOCALHOST.to_owned()) } else { host_name(host) }
}

/// Returns a host without brackets, if it is a valid one.
fn host_name(host: &str) -> Option<String> {
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_host = !host.is_empty() && host.chars().all(|c| c.is_alphanumeric() || "-._:%".contains(c));
    is_host.then(|| host.to_owned())
}

/// Parses a server in the forms of SQL Server: `tcp:host\instance,1433`, `(local)`, `.`, `host:1433`. Returns the first
/// of several: `host1,host2`, `host1:5432,host2:5433`.
fn server_and_port(server: &str) -> Option<(String, Option<u16>)> {
    let server =
        ["tcp:", "np:", "lpc:", "admin:"].iter().find_map(|prefix| server.strip_prefix(prefix)).unwrap_or(server);
    let (server, port) = match server.split_once(',') {
        Some((server, port)) => (server, port.trim().parse().ok()),
        None => (server, None),
    };
    let (server, own_port) = split_port(server);
    let host = server.split('\\').find(|part| !part.is_empty())?.trim();
    let host = if matches!(host, "." | "(local)" | "(localdb)") { LOCALHOST } else { host };
    Some((socket_or_host(host)?, port.or(own_port)))
}

/// Splits host and port. An IPv6 address keeps its brackets; without brackets it has no port.
fn split_port(authority: &str) -> (&str, Option<u16>) {
    match authority.rsplit_once(':') {
        Some((host, _)) if host.contains(':') && !host.ends_with(']') => (authority, None),
        Some((host, port)) if !port.contains(']') => (host, port.parse().ok()),
        _ => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_common_form_is_parsed() {
        for (text, want) in [
            ("mysql://app:s3cret@db:3306/shop", "mysql app@db:3306/shop"),
            ("postgres://app:s3/cr?et@db/shop", "postgresql app@db/shop"),
            ("postgres://app:s3:cr@et@db/shop", "postgresql app@db/shop"),
            ("postgresql+psycopg2://app:s3cret@db/shop", "postgresql app@db/shop"),
            ("postgres://us%40er:p@h1:1,h2:2/d%20b", "postgresql us@er@h1:1/d b"),
            ("postgres:///shop?host=/run/postgresql&user=app&password=s3cret", "postgresql app@localhost/shop"),
            ("postgres://%2Frun%2Fpostgresql/shop", "postgresql localhost/shop"),
            ("mongodb+srv://app:s3cret@h1,h2/shop?w=1", "mongodb app@h1/shop"),
            ("redis://:s3cret@cache:6379/0", "redis @cache:6379/0"),
            ("sqlserver://app:s3cret@db:1433?database=shop", "sqlserver app@db:1433/shop"),
            ("host=db port=5432 user=app password='s3 cret\\' x' dbname=shop", "postgresql app@db:5432/shop"),
            ("dbname=shop", "postgresql localhost/shop"),
            ("host=/run/postgresql dbname=shop user = app", "postgresql app@localhost/shop"),
            ("app:s3cret@tcp(db:3307)/shop?tls=true", "mysql app@db:3307/shop"),
            ("app:s3@c(r)/et@tcp(db)/shop", "mysql app@db/shop"),
            ("app:s3cret@unix(/run/mysqld.sock)/shop", "mysql app@localhost/shop"),
            ("app:s3cret@/shop", "mysql app@localhost/shop"),
            ("Server=db;Database=shop;User Id=app;Password=s3cret;", "sqlserver app@db/shop"),
            ("Server=tcp:db\\inst,1433;Initial Catalog=shop;Uid=app;Pwd=\"s3;cr\"\"et\"", "sqlserver app@db:1433/shop"),
            (
                "Driver={PostgreSQL Unicode};Server=db;Port=5432;Database=shop;Uid=app;Pwd={s3;cr}}et}",
                "postgresql app@db:5432/shop",
            ),
            ("Server=db;Port=3306;Database=shop;Uid=app;Pwd=s3cret", "mysql app@db:3306/shop"),
            ("Host=db;Username=app;Password=s3cret;Database=shop", "postgresql app@db/shop"),
            ("Data Source=shop.db;Password=s3cret", "sqlite localhost/shop.db"),
            ("User Id=scott;Password=s3cret;Data Source=//db:1521/orcl", "oracle scott@db:1521/orcl"),
            ("scott/s3cret@//db:1521/orcl", "oracle scott@db:1521/orcl"),
            ("scott/s3/cr@et@//db:1521/orcl:dedicated", "oracle scott@db:1521/orcl"),
            ("jdbc:oracle:thin:scott/s3cret@db:1521:orcl", "oracle scott@db:1521/orcl"),
            ("jdbc:oracle:thin:@//db:1521/orcl", "oracle db:1521/orcl"),
            ("jdbc:postgresql://db:5432/shop?user=app&password=s3cret", "postgresql app@db:5432/shop"),
            ("jdbc:mysql://app:s3cret@db/shop", "mysql app@db/shop"),
            ("jdbc:sqlserver://db:1433;databaseName=shop;user=app;password={s3;cret}", "sqlserver app@db:1433/shop"),
            ("jdbc:db2://db:50000/SHOP:user=app;password=s3cret;", "db2 app@db:50000/SHOP"),
            ("jdbc:sqlite:shop.db", "sqlite localhost/shop.db"),
            ("sqlite:data/shop.db?key=s3cret", "sqlite localhost/data/shop.db"),
            ("sqlite://localhost/shop.db", "sqlite localhost/shop.db"),
            ("file:shop.db?mode=ro", "sqlite localhost/shop.db"),
            (":memory:", "sqlite localhost/:memory:"),
            ("s3cret-token", " "),
            ("postgres:s3cret", "postgresql "),
            ("Server=db;Password=s3;cret;User Id=app", " "),
            ("user=app;password=s3cret", " "),
            ("host=db, user=app, password=s3cret", " "),
            ("postgres://db/shop s3cret", "postgresql "),
            ("postgres://app%3As3cret@db/shop", "postgresql app@db/shop"),
            ("'postgres://app:s3cret@db/shop'", "postgresql app@db/shop"),
            ("sqlserver://app:s3cret@db/inst?database=shop", "sqlserver app@db/shop"),
            ("mysql://app:s3cret@tcp(db:3307)/shop", "mysql app@db:3307/shop"),
            ("app:s3cret@(db:3307)/shop", "mysql app@db:3307/shop"),
            ("app:s3cret@tcp(h1:1,h2:2)/shop", "mysql app@h1:1/shop"),
            ("mysql:host=db;port=3307;dbname=shop;user=app;password=s3cret", "mysql app@db:3307/shop"),
            ("pgsql:host=db;dbname=shop", "postgresql db/shop"),
            ("sqlsrv:Server=db,1433;Database=shop", "sqlserver db:1433/shop"),
            ("host=db;user=app;password=s3cret;dbname=shop", "postgresql app@db/shop"),
            ("Host=h1:1,h2:2;Username=app;Password=s3cret;Database=shop", "postgresql app@h1:1/shop"),
            ("Server=h1, h2;Database=shop;Uid=app;Pwd=s3cret", "sqlserver app@h1/shop"),
            ("Data Source=:memory:", "sqlite localhost/:memory:"),
            ("./shop.db", "sqlite localhost/shop.db"),
            ("Driver={Oracle};Dbq=db:1521/orcl;Uid=scott;Pwd=s3cret", "oracle scott@db:1521/orcl"),
            ("scott/s3cret@db/orcl", "oracle scott@db/orcl"),
            ("scott/s3cret@tcps://db:2484/orcl?wallet_location=x", "oracle scott@db:2484/orcl"),
            ("scott/s3cret@orcl", " "),
            (
                "scott/s3cret@(DESCRIPTION=(ADDRESS=(HOST=db)(PORT=1521))(CONNECT_DATA=(SERVICE_NAME=orcl)))",
                "oracle scott@db:1521/orcl",
            ),
            (
                "Data Source=(DESCRIPTION=(ADDRESS=(HOST=db))(CONNECT_DATA=(SID=x)));User Id=scott;Password=s3cret",
                "oracle scott@db/x",
            ),
            ("jdbc:mysql:loadbalance://h1:1,h2:2/shop", "mysql h1:1/shop"),
            ("jdbc:jtds:sqlserver://db:1433/shop;user=app;password=s3cret", "sqlserver app@db:1433/shop"),
            ("jdbc:h2:tcp://db/shop;PASSWORD=s3cret", "h2 db/shop"),
            ("jdbc:sqlserver://db\\inst:1433;database=shop;password=s3cret", "sqlserver db:1433/shop"),
        ] {
            let Connection { kind, host, port, database, user } = Connection::parse(text);
            let mut got = format!("{kind} ");
            got.extend(user.map(|user| user + "@"));
            got += &host;
            got.extend(port.map(|port| format!(":{port}")));
            got.extend((!database.is_empty()).then(|| format!("/{database}")));
            assert_eq!(got, want, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_handled_without_a_panic(text: String) {
            let _ = Connection::parse(&text);
        }

        #[test]
        fn no_form_reveals_its_password(password in "[a-zA-Z0-9:/?#@!$&'()*+,;=.~_ {}\"\\\\-]{0,10}", form in 0..15usize) {
            let secret = format!("qz{password}zq");
            let text = match form {
                0 => format!("postgres://app:{secret}@db.internal:5432/shop"),
                1 => format!("postgres://app:{secret}@db.internal/shop?sslmode=require"),
                2 => format!("host=db.internal user=app password={secret} dbname=shop"),
                3 => format!("host=db.internal password='{}' dbname=shop", secret.replace('\\', "\\\\").replace('\'', "\\'")),
                4 => format!("app:{secret}@tcp(db.internal:3306)/shop"),
                5 => format!("Server=db.internal;Database=shop;User Id=app;Password={secret};"),
                6 => format!("Server=db.internal;Pwd={{{}}};Uid=app", secret.replace('}', "}}")),
                7 => format!("scott/{secret}@//db.internal:1521/orcl"),
                8 => format!("jdbc:sqlserver://db.internal;user=app;password={secret};databaseName=shop"),
                9 => format!("mysql://app:{secret}@tcp(db.internal:3306)/shop"),
                10 => format!("mysql:host=db.internal;dbname=shop;user=app;password={secret}"),
                11 => format!("scott/{secret}@db.internal/orcl"),
                12 => format!("scott/{secret}@(DESCRIPTION=(ADDRESS=(HOST=db.internal))(CONNECT_DATA=(SID=x)))"),
                13 => format!("password={secret};host=db.internal;user=app"),
                _ => format!("jdbc:mysql://db.internal/shop?user=app&password={secret}"),
            };
            let shown = format!("{:?}", Connection::parse(&text));
            prop_assert!(!shown.contains("qz"), "{} gives {}", text, shown);
        }
    }
}
