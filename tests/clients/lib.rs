//! Tests of drivers that need a database's C client: see the feature `c-clients`.
