//! A query whose text is seen when the driver takes it.

use sqlx_core::database::Database;
use sqlx_core::error::BoxDynError;
use sqlx_core::executor::Execute;
use sqlx_core::sql_str::SqlStr;
use xray_core::Subsegment;

use crate::tracer::Described;

/// A query that describes itself on a subsegment.
///
/// The driver calls the methods in its own order, on which the answers depend: `take_arguments` changes that of `persistent`
/// for the queries of sqlx's macros. So each call is passed on when it comes.
pub(crate) struct Observed<E> {
    query: E,
    subsegment: Option<Subsegment>,
    described: Described,
    has_arguments: bool,
}

impl<E> Observed<E> {
    pub(crate) fn new(query: E, subsegment: Option<&Subsegment>, described: &Described) -> Observed<E> {
        Observed { query, subsegment: subsegment.cloned(), described: described.clone(), has_arguments: false }
    }
}

impl<'q, DB: Database, E: Execute<'q, DB>> Execute<'q, DB> for Observed<E> {
    fn sql(self) -> SqlStr {
        let sql = self.query.sql();
        if let Some(subsegment) = &self.subsegment {
            // A query without arguments uses the simple protocol.
            let described = if self.has_arguments { &self.described.prepared } else { &self.described.plain };
            described.describe(subsegment, sql.as_str());
        }
        sql
    }

    fn statement(&self) -> Option<&DB::Statement> {
        self.query.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<DB::Arguments>, BoxDynError> {
        let arguments = self.query.take_arguments();
        self.has_arguments |= matches!(arguments, Ok(Some(_)));
        arguments
    }

    fn persistent(&self) -> bool {
        self.query.persistent()
    }
}
