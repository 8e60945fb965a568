//! What all queries to a database have in common. Clones of a [`Sql`](super::Sql) share it.

use std::borrow::Cow;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::document::json;
use crate::user_code;

use super::SqlFailure;
#[cfg(feature = "sql-text")]
use super::text::Texts;

/// The name of a subsegment whose database is unknown.
pub(super) const UNKNOWN: &str = "unknown";

/// The number of errors of a `source()` chain that are searched for one of a known type.
const MAX_CHAIN: usize = 10;

type Classify = Arc<dyn Fn(&(dyn Error + 'static)) -> Option<SqlFailure> + Send + Sync>;

/// What all queries to a database have in common.
#[derive(Clone, Default)]
pub(super) struct Database {
    pub(super) name: String,
    /// The scheme of the URL. It determines the dialect if no product is known.
    kind: Cow<'static, str>,
    pub(super) url: Option<String>,
    pub(super) user: Option<String>,
    pub(super) product: Option<Cow<'static, str>>,
    pub(super) version: Option<String>,
    pub(super) driver_version: Option<String>,
    classify: Option<Classify>,
    /// The members above, encoded when the first query is recorded.
    members: OnceLock<Vec<u8>>,
    #[cfg(feature = "sql-text")]
    texts: Texts,
}

impl Database {
    pub(super) fn of(name: String, kind: Cow<'static, str>, url: Option<String>, user: Option<String>) -> Database {
        Database { product: product(&kind).map(Cow::Borrowed), name, kind, url, user, ..Database::default() }
    }

    /// Forgets what was derived from the members, which are about to change.
    pub(super) fn forget(&mut self) {
        self.members = OnceLock::new();
        #[cfg(feature = "sql-text")]
        {
            self.texts = Texts::default();
        }
    }

    pub(super) fn on_error<E: Error + 'static>(&mut self, classify: impl Fn(&E) -> SqlFailure + Send + Sync + 'static) {
        self.classify = Some(Arc::new(move |error| {
            let mut next = Some(error);
            for _ in 0..MAX_CHAIN {
                match next?.downcast_ref::<E>() {
                    Some(error) => return Some(classify(error)),
                    None => next = next?.source(),
                }
            }
            None
        }));
    }

    /// Returns how to record an error, if the application's function knows its type.
    pub(super) fn classify(&self, error: &(dyn Error + 'static)) -> Option<SqlFailure> {
        let classify = self.classify.as_ref()?;
        user_code::call(|| classify(error)).flatten()
    }

    #[cfg(feature = "sql-text")]
    pub(super) fn sanitised(&self, text: &str) -> Option<Arc<str>> {
        self.texts.sanitised(text, self.product.as_deref().unwrap_or(&self.kind))
    }

    #[cfg(not(feature = "sql-text"))]
    pub(super) fn sanitised(&self, _text: &str) -> Option<Arc<str>> {
        None
    }

    /// Returns the encoded members, each with a leading comma.
    pub(super) fn members(&self) -> &[u8] {
        self.members.get_or_init(|| {
            let mut out = Vec::new();
            for (name, text) in [
                ("url", self.url.as_deref().map(|url| json::cut(url, json::SHORT))),
                ("user", self.user.as_deref().map(|user| json::cut(user, json::SHORT))),
                ("database_type", self.product.as_deref()),
                ("database_version", self.version.as_deref()),
                ("driver_version", self.driver_version.as_deref()),
            ] {
                if let Some(text) = text.filter(|text| !text.is_empty()) {
                    json::text_member(&mut out, name, text);
                }
            }
            out
        })
    }

    /// Whether the same is recorded of both.
    pub(super) fn is_like(&self, other: &Database) -> bool {
        self.name == other.name && self.kind == other.kind && self.members() == other.members()
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Returns the product for a scheme, as X-Ray names it.
fn product(kind: &str) -> Option<&'static str> {
    match kind {
        "mysql" | "mariadb" => Some("MySQL"),
        "postgresql" => Some("PostgreSQL"),
        "sqlite" => Some("SQLite"),
        "sqlserver" => Some("Microsoft SQL Server"),
        "oracle" => Some("Oracle"),
        _ => None,
    }
}
