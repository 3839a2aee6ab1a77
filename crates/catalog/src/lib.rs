//! What people and folds write, kept in SQLite: datasets, cases and their life, assets over weeks, exclusions, users, the audit trail,
//! settings.
//!
//! [`Catalog`] is synchronous and owns the file: one writer behind a lock, one reader beside it. There is no clock here: `now` comes as
//! a parameter (wall time), what was seen carries the time of events. Words for a reader are made where they read, from the data that is
//! kept ([`vigie_case::TellCase`]). Every list is cut into pages and every table has a cap.
//!
//! ```
//! use vigie_catalog::{Catalog, Kept, Kind};
//! # use vigie_base::Time;
//! let catalog = Catalog::in_memory()?;
//! catalog.create_dataset("replay", Kind::Replay, 0, Time(0))?;
//! assert!(catalog.keep("replay", &Kept::default(), Time(0))?.new_cases.is_empty());
//! # Ok::<(), vigie_catalog::Error>(())
//! ```

mod assets;
mod cases;
mod csv;
mod dataset;
mod db;
mod exclusion;
mod keep;
mod known;
mod met;
mod output;
mod records;
#[cfg(test)]
mod tests;
mod users;

pub use assets::{
    AssetFilter, AssetRow, AssetSort, AssetView, Compared, Declared, Difference, Facets, Imported, KNOWN_AFTER, Machine, NEWS_COUNTED,
    News, NewsFilter, NewsKind, Shared,
};
pub use cases::{CaseChange, CaseCounts, CaseFilter, CaseRow, CaseSort, State, TrailRow, Verdict};
pub use dataset::{Dataset, Kind, Source, read_already};
pub use db::{BUDGET, Catalog, Error, FILES_MAX, PAGE_MAX, Page, TOTAL_MAX, VERSION};
pub use exclusion::{Exclusion, Machines, Preview, Scope};
pub use keep::{Changes, Kept, Pair};
pub use known::{Interval, Known, KnownFact, KnownPort, Named};
pub use output::{Moment, Next, Notice, OutputState};
pub use records::{AuditFilter, AuditRow, Setting, View};
pub use users::{FAILURES_MAX, LOCK, LOCK_MAX, SESSIONS_MAX, Session, TOKEN_LIFE, Token, User, UserRole};
