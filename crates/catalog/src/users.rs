//! People: users, their log-ins and lock-out, sessions, API tokens. Passwords and tokens come hashed; nothing here can be used to log in.

use crate::db::{Catalog, Error, ns, refused, shown, time};
use rusqlite::{Connection, OptionalExtension, Row, params};
use vigie_base::time::SECOND;
use vigie_base::{Sentence, Time};

/// Users at most.
const USERS_MAX: u64 = 1000;
/// Sessions of one user at most; a further one ends the oldest.
pub const SESSIONS_MAX: u32 = 20;
/// Tokens of one user at most, revoked and expired ones left out.
const TOKENS_MAX: u64 = 50;
/// Failed log-ins in a row after which a user is locked out.
pub const FAILURES_MAX: u32 = 5;
/// How long the first lock-out lasts; each further one twice as long, up to [`LOCK_MAX`].
pub const LOCK: u64 = 15 * 60 * SECOND;
/// The longest lock-out.
pub const LOCK_MAX: u64 = 24 * 3600 * SECOND;
/// A session that began later than this from now began under a clock that was wrong, and is over.
const CLOCK_SLACK: u64 = 3600 * SECOND;
/// How long an API token lives unless told.
pub const TOKEN_LIFE: u64 = 90 * 24 * 3600 * SECOND;
/// A session's or token's last use is written at most this often.
const USED_EVERY: u64 = 60 * SECOND;

/// What a user may do; each may all that those before may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserRole {
    /// Reads.
    Viewer,
    /// Works on cases.
    Analyst,
    /// Sets up.
    Administrator,
}

impl UserRole {
    /// Every role.
    pub const ALL: [UserRole; 3] = [UserRole::Viewer, UserRole::Analyst, UserRole::Administrator];

    /// Lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            UserRole::Viewer => "viewer",
            UserRole::Analyst => "analyst",
            UserRole::Administrator => "administrator",
        }
    }

    /// From its name.
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|r| r.name() == name)
    }
}

/// A user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// What they log in with.
    pub name: String,
    /// What they may do.
    pub role: UserRole,
    /// Hash of the password, opaque here.
    pub hash: String,
    /// Whether the password must be changed before anything else.
    pub must_change: bool,
    /// Whether they may not log in.
    pub disabled: bool,
    /// When they were added.
    pub created: Time,
    /// When they last logged in.
    pub last_login: Option<Time>,
    /// Locked out until then.
    pub locked_until: Option<Time>,
}

impl User {
    /// Until when they are locked out now, if they are. A lock-out that is longer than any is of a clock that was wrong.
    pub fn locked(&self, now: Time) -> Option<Time> {
        self.locked_until.filter(|until| holds(*until, now))
    }
}

fn holds(until: Time, now: Time) -> bool {
    now < until && until <= now.plus(LOCK_MAX)
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Whose.
    pub user: User,
    /// When they logged in.
    pub created: Time,
    /// When it was last used, to the minute.
    pub seen: Time,
    /// When it ends, used or not.
    pub expires: Time,
    /// From where they logged in.
    pub peer: String,
}

/// An API token, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its number.
    pub id: i64,
    /// Whose.
    pub user: String,
    /// What it is for.
    pub name: String,
    /// When it was made.
    pub created: Time,
    /// When it ends.
    pub expires: Time,
    /// When it was revoked.
    pub revoked: Option<Time>,
    /// When it was last used, to the minute.
    pub last_used: Option<Time>,
}

impl Catalog {
    /// Adds a user. Errors: the name is taken or no name, too many.
    pub fn add_user(&self, name: &str, role: UserRole, hash: &str, must_change: bool, now: Time) -> Result<(), Error> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
        if name.is_empty() || name.chars().count() > 64 || !name.chars().all(fits) {
            return refused(
                Sentence::new("user_name", "\"{name}\" is no name of a user: take letters, digits, - _ . and @, at most 64")
                    .with("name", shown(name)),
            );
        }
        self.write(|db| {
            if user(db, name)?.is_some() {
                return refused(Sentence::new("user_there", "there is a user \"{name}\" already").with("name", name));
            }
            if db.query_row("SELECT count(*) FROM user", [], |r| r.get::<_, u64>(0))? >= USERS_MAX {
                return refused(Sentence::new("users_full", "there are {max} users, as many as are kept").with("max", USERS_MAX));
            }
            db.execute(
                "INSERT INTO user(name, role, hash, must_change, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![name, role.name(), hash, must_change, ns(now)],
            )?;
            Ok(())
        })
    }

    /// All users, by name.
    pub fn users(&self) -> Result<Vec<User>, Error> {
        let db = self.read();
        let mut s = db.prepare_cached(&format!("SELECT {USER} FROM user u ORDER BY u.name"))?;
        let users = s.query_map([], |r| read_user(r, 0))?.collect::<Result<_, _>>()?;
        Ok(users)
    }

    /// One by name.
    pub fn user(&self, name: &str) -> Result<Option<User>, Error> {
        user(&self.read(), name)
    }

    /// Sets the password's hash, ends every session of the user but `keep`, and takes a lock-out away.
    pub fn set_password(&self, name: &str, hash: &str, must_change: bool, keep: Option<&[u8; 32]>) -> Result<(), Error> {
        self.write(|db| {
            let n = db.execute(
                "UPDATE user SET hash = ?2, must_change = ?3, failures = 0, locks = 0, locked_until = 0 WHERE name = ?1",
                params![name, hash, must_change],
            )?;
            found(n, name)?;
            db.execute("DELETE FROM session WHERE user = ?1 AND (?2 IS NULL OR hash <> ?2)", params![name, keep.map(|k| k.as_slice())])?;
            Ok(())
        })
    }

    /// Disables a user (their sessions end, their tokens are refused) or enables them again. The last administrator stays.
    pub fn disable_user(&self, name: &str, disabled: bool) -> Result<(), Error> {
        self.write(|db| {
            if disabled {
                stays_an_administrator(db, name)?;
                db.execute("DELETE FROM session WHERE user = ?1", [name])?;
            }
            found(db.execute("UPDATE user SET disabled = ?2 WHERE name = ?1", params![name, disabled])?, name)
        })
    }

    /// Gives a user another role. The last administrator stays one.
    pub fn set_role(&self, name: &str, role: UserRole) -> Result<(), Error> {
        self.write(|db| {
            if role != UserRole::Administrator {
                stays_an_administrator(db, name)?;
            }
            found(db.execute("UPDATE user SET role = ?2 WHERE name = ?1", params![name, role.name()])?, name)
        })
    }

    /// Notes a failed log-in; until when the user is locked out, if they are. A name that nobody has changes nothing.
    pub fn login_failed(&self, name: &str, now: Time) -> Result<Option<Time>, Error> {
        self.write(|db| {
            let mut s = db.prepare_cached("SELECT failures, locks, locked_until FROM user WHERE name = ?1")?;
            let known = s.query_row([name], |r| Ok((r.get::<_, u32>(0)?, r.get::<_, u32>(1)?, time(r.get(2)?)))).optional()?;
            let Some((failures, locks, until)) = known else { return Ok(None) };
            if holds(until, now) {
                // What is tried while locked out is not looked at, and does not make it longer.
                return Ok(Some(until));
            }
            let locked = (failures + 1 >= FAILURES_MAX).then(|| now.plus(LOCK.saturating_mul(1 << locks.min(16)).min(LOCK_MAX)));
            let (failures, locks) = if locked.is_some() { (0, locks.saturating_add(1)) } else { (failures + 1, locks) };
            db.execute(
                "UPDATE user SET failures = ?2, locks = ?3, locked_until = ?4 WHERE name = ?1",
                params![name, failures, locks, ns(locked.unwrap_or(Time(0)))],
            )?;
            Ok(locked)
        })
    }

    /// Notes a log-in that succeeded.
    pub fn login_succeeded(&self, name: &str, now: Time) -> Result<(), Error> {
        self.write(|db| {
            let sql = "UPDATE user SET failures = 0, locks = 0, locked_until = 0, last_login = ?2 WHERE name = ?1";
            found(db.execute(sql, params![name, ns(now)])?, name)
        })
    }

    /// Opens a session; `hash` is the SHA-256 of its token, `life` and `idle` are nanoseconds. Ended ones are cleared away.
    pub fn add_session(&self, hash: &[u8; 32], user: &str, peer: &str, life: u64, idle: u64, now: Time) -> Result<(), Error> {
        self.write(|db| {
            let over = "DELETE FROM session WHERE expires <= ?1 OR seen + idle <= ?1 OR created > ?2";
            db.execute(over, [ns(now), ns(now.plus(CLOCK_SLACK))])?;
            let oldest =
                "DELETE FROM session WHERE hash IN (SELECT hash FROM session WHERE user = ?1 ORDER BY seen DESC, hash LIMIT -1 OFFSET ?2)";
            db.execute(oldest, params![user, SESSIONS_MAX - 1])?;
            db.execute(
                "INSERT INTO session(hash, user, created, seen, expires, idle, peer) VALUES (?1, ?2, ?3, ?3, ?4, ?5, ?6)",
                params![hash, user, ns(now), ns(now.plus(life)), ns(Time(idle)), peer],
            )?;
            Ok(())
        })
    }

    /// The session of a token's hash, if it lives and its user is not disabled; its use is noted.
    pub fn session(&self, hash: &[u8; 32], now: Time) -> Result<Option<Session>, Error> {
        let sql = format!(
            "SELECT s.created, s.seen, s.expires, s.peer, {USER} FROM session s JOIN user u ON u.name = s.user
             WHERE s.hash = ?1 AND s.expires > ?2 AND s.seen + s.idle > ?2 AND s.created <= ?3 AND NOT u.disabled"
        );
        let known = self.read().prepare_cached(&sql)?.query_row(params![hash, ns(now), ns(now.plus(CLOCK_SLACK))], |r| {
            Ok(Session {
                created: time(r.get(0)?),
                seen: time(r.get(1)?),
                expires: time(r.get(2)?),
                peer: r.get(3)?,
                user: read_user(r, 4)?,
            })
        });
        let known = known.optional()?;
        if known.as_ref().is_some_and(|s| now.since(s.seen) >= USED_EVERY) {
            self.write_if_free("UPDATE session SET seen = ?2 WHERE hash = ?1", params![hash, ns(now)]);
        }
        Ok(known)
    }

    /// Ends a session.
    pub fn end_session(&self, hash: &[u8; 32]) -> Result<(), Error> {
        self.write(|db| Ok(db.execute("DELETE FROM session WHERE hash = ?1", [hash])?))?;
        Ok(())
    }

    /// Adds an API token of a user; `hash` is the SHA-256 of its secret, `life` is nanoseconds.
    pub fn add_token(&self, hash: &[u8; 32], user_name: &str, name: &str, life: u64, now: Time) -> Result<Token, Error> {
        self.write(|db| {
            if user(db, user_name)?.is_none() {
                return Err(no_user(user_name));
            }
            let live = "SELECT count(*) FROM token WHERE user = ?1 AND revoked IS NULL AND expires > ?2";
            if db.query_row(live, params![user_name, ns(now)], |r| r.get::<_, u64>(0))? >= TOKENS_MAX {
                return refused(
                    Sentence::new("tokens_full", "\"{name}\" has {max} tokens, as many as one user may: revoke one first")
                        .with("name", user_name)
                        .with("max", TOKENS_MAX),
                );
            }
            let name: String = name.chars().take(80).collect();
            db.execute(
                "INSERT INTO token(hash, user, name, created, expires) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![hash, user_name, name, ns(now), ns(now.plus(life))],
            )?;
            let id = db.last_insert_rowid();
            Ok(Token { id, user: user_name.to_owned(), name, created: now, expires: now.plus(life), revoked: None, last_used: None })
        })
    }

    /// The tokens of a user, or all, the newest first.
    pub fn tokens(&self, user: Option<&str>) -> Result<Vec<Token>, Error> {
        let db = self.read();
        let mut s =
            db.prepare_cached(&format!("SELECT {TOKEN} FROM token t WHERE ?1 IS NULL OR t.user = ?1 ORDER BY t.id DESC LIMIT 10000"))?;
        let tokens = s.query_map([user], read_token)?.collect::<Result<_, _>>()?;
        Ok(tokens)
    }

    /// Revokes a token; whose it was.
    pub fn revoke_token(&self, id: i64, now: Time) -> Result<Token, Error> {
        self.write(|db| {
            db.execute("UPDATE token SET revoked = ifnull(revoked, ?2) WHERE id = ?1", params![id, ns(now)])?;
            let known = db.query_row(&format!("SELECT {TOKEN} FROM token t WHERE t.id = ?1"), [id], read_token).optional()?;
            known.ok_or_else(|| Error::Missing(format!("there is no token {id}")))
        })
    }

    /// The token of a secret's hash and its user, if it lives and the user is not disabled; its use is noted.
    pub fn token(&self, hash: &[u8; 32], now: Time) -> Result<Option<(Token, User)>, Error> {
        let sql = format!(
            "SELECT {TOKEN}, {USER} FROM token t JOIN user u ON u.name = t.user
             WHERE t.hash = ?1 AND t.revoked IS NULL AND t.expires > ?2 AND NOT u.disabled"
        );
        let known =
            self.read().prepare_cached(&sql)?.query_row(params![hash, ns(now)], |r| Ok((read_token(r)?, read_user(r, 7)?))).optional()?;
        if let Some((t, _)) = &known
            && t.last_used.is_none_or(|used| now.since(used) >= USED_EVERY)
        {
            self.write_if_free("UPDATE token SET used = ?2 WHERE id = ?1", params![t.id, ns(now)]);
        }
        Ok(known)
    }
}

const USER: &str = "u.name, u.role, u.hash, u.must_change, u.disabled, u.created, u.last_login, u.locked_until";
const TOKEN: &str = "t.id, t.user, t.name, t.created, t.expires, t.revoked, t.used";

fn read_user(r: &Row<'_>, at: usize) -> rusqlite::Result<User> {
    Ok(User {
        name: r.get(at)?,
        // A role that this version does not know may do the least.
        role: UserRole::of(&r.get::<_, String>(at + 1)?).unwrap_or(UserRole::Viewer),
        hash: r.get(at + 2)?,
        must_change: r.get(at + 3)?,
        disabled: r.get(at + 4)?,
        created: time(r.get(at + 5)?),
        last_login: r.get::<_, Option<i64>>(at + 6)?.map(time),
        locked_until: Some(time(r.get(at + 7)?)).filter(|t| t.0 > 0),
    })
}

fn read_token(r: &Row<'_>) -> rusqlite::Result<Token> {
    Ok(Token {
        id: r.get(0)?,
        user: r.get(1)?,
        name: r.get(2)?,
        created: time(r.get(3)?),
        expires: time(r.get(4)?),
        revoked: r.get::<_, Option<i64>>(5)?.map(time),
        last_used: r.get::<_, Option<i64>>(6)?.map(time),
    })
}

fn user(db: &Connection, name: &str) -> Result<Option<User>, Error> {
    Ok(db.prepare_cached(&format!("SELECT {USER} FROM user u WHERE u.name = ?1"))?.query_row([name], |r| read_user(r, 0)).optional()?)
}

fn no_user(name: &str) -> Error {
    Error::Missing(format!("there is no user \"{}\"", shown(name)))
}

fn found(rows: usize, name: &str) -> Result<(), Error> {
    if rows == 0 { Err(no_user(name)) } else { Ok(()) }
}

fn stays_an_administrator(db: &Connection, name: &str) -> Result<(), Error> {
    let sql = "SELECT count(*) FILTER (WHERE name <> ?1), max(name = ?1) FROM user WHERE role = 'administrator' AND NOT disabled";
    let (others, is): (u64, Option<bool>) = db.query_row(sql, [name], |r| Ok((r.get(0)?, r.get(1)?)))?;
    if others == 0 && is == Some(true) {
        return refused(
            Sentence::new("last_administrator", "\"{name}\" is the last administrator: make another one first").with("name", shown(name)),
        );
    }
    Ok(())
}
