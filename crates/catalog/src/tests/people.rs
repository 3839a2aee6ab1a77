use super::*;

const HOUR: u64 = 3600 * SECOND;

#[test]
fn five_failures_lock_out_and_each_time_for_longer() {
    let c = catalog();
    c.add_user("jo", UserRole::Analyst, "hash", false, t(0)).unwrap();
    let mut now = t(1000);
    for minutes in [15, 30, 60, 120] {
        for _ in 1..FAILURES_MAX {
            assert_eq!(c.login_failed("jo", now).unwrap(), None);
        }
        let until = now.plus(minutes * 60 * SECOND);
        assert_eq!(c.login_failed("jo", now).unwrap(), Some(until));
        assert_eq!(c.user("jo").unwrap().unwrap().locked_until, Some(until));
        assert_eq!(c.login_failed("jo", now.plus(SECOND)).unwrap(), Some(until), "tries while locked out do not make it longer");
        now = until;
    }
    c.login_succeeded("jo", now).unwrap();
    assert_eq!(c.user("jo").unwrap().unwrap().locked_until, None);
    for _ in 1..FAILURES_MAX {
        c.login_failed("jo", now).unwrap();
    }
    assert_eq!(c.login_failed("jo", now).unwrap(), Some(now.plus(LOCK)), "a success forgets");
    for _ in 0..40 {
        now = c.user("jo").unwrap().unwrap().locked_until.unwrap();
        (0..FAILURES_MAX).for_each(|_| _ = c.login_failed("jo", now).unwrap());
    }
    assert_eq!(c.user("jo").unwrap().unwrap().locked_until, Some(now.plus(LOCK_MAX)));
    assert_eq!(c.login_failed("nobody", now).unwrap(), None);
}

#[test]
fn sessions_end_by_time_idleness_and_order() {
    let c = catalog();
    c.add_user("jo", UserRole::Viewer, "h", true, t(0)).unwrap();
    let key = |n: u8| [n; 32];
    c.add_session(&key(1), "jo", "10.0.0.1", 8 * HOUR, HOUR, t(0)).unwrap();
    assert!(c.session(&key(1), t(3599)).unwrap().is_some(), "and notes its use");
    assert!(c.session(&key(1), t(7000)).unwrap().is_some());
    assert!(c.session(&key(1), t(7000 + 3600)).unwrap().is_none(), "idle");
    for n in 2..8 {
        c.add_session(&key(n), "jo", "p", 8 * HOUR, 8 * HOUR, t(0)).unwrap();
    }
    assert!(c.session(&key(2), t(8 * 3600)).unwrap().is_none(), "over");
    c.end_session(&key(2)).unwrap();
    assert!(c.session(&key(2), t(1)).unwrap().is_none());
    c.set_password("jo", "h2", false, Some(&key(3))).unwrap();
    assert!(c.session(&key(3), t(1)).unwrap().is_some_and(|s| s.user.hash == "h2" && !s.user.must_change));
    assert!(c.session(&key(4), t(1)).unwrap().is_none(), "another password ends the others");
    for n in 0..SESSIONS_MAX as u8 {
        c.add_session(&key(100 + n), "jo", "p", HOUR, HOUR, t(10 + u64::from(n))).unwrap();
    }
    assert!(c.session(&key(3), t(40)).unwrap().is_none(), "the oldest made room");
    assert!(c.session(&key(100), t(40)).unwrap().is_some());
    c.disable_user("jo", true).unwrap();
    assert!(c.session(&key(100), t(40)).unwrap().is_none());
}

#[test]
fn a_clock_that_was_ahead_locks_nobody_out_and_lets_nobody_stay() {
    let c = catalog();
    c.add_user("jo", UserRole::Viewer, "h", false, t(0)).unwrap();
    let (now, ahead) = (t(1000), t(1000 + 5 * 365 * DAY));
    c.add_session(&[1; 32], "jo", "p", 8 * HOUR, HOUR, ahead).unwrap();
    assert!(c.session(&[1; 32], ahead).unwrap().is_some());
    (0..FAILURES_MAX).for_each(|_| _ = c.login_failed("jo", ahead).unwrap());
    assert!(c.user("jo").unwrap().unwrap().locked(ahead).is_some());
    // It is set right.
    assert!(c.session(&[1; 32], now).unwrap().is_none());
    assert_eq!(c.user("jo").unwrap().unwrap().locked(now), None);
    assert_eq!(c.login_failed("jo", now).unwrap(), None);
    // A little back is nothing.
    c.add_session(&[2; 32], "jo", "p", 8 * HOUR, HOUR, now).unwrap();
    assert!(c.session(&[2; 32], t(990)).unwrap().is_some());
    assert!(c.session(&[1; 32], ahead).unwrap().is_none(), "cleared away");
}

#[test]
fn tokens_live_until_revoked_expired_or_their_user_is_disabled() {
    let c = catalog();
    c.add_user("jo", UserRole::Analyst, "h", false, t(0)).unwrap();
    let token = c.add_token(&[1; 32], "jo", "script", TOKEN_LIFE, t(0)).unwrap();
    assert!(c.token(&[1; 32], t(90 * DAY - 1)).unwrap().is_some());
    assert!(c.token(&[1; 32], t(90 * DAY)).unwrap().is_none());
    assert_eq!(c.tokens(Some("jo")).unwrap()[0].last_used, Some(t(90 * DAY - 1)));
    c.disable_user("jo", true).unwrap();
    assert!(c.token(&[1; 32], t(1)).unwrap().is_none());
    c.disable_user("jo", false).unwrap();
    assert_eq!(c.revoke_token(token.id, t(5)).unwrap().revoked, Some(t(5)));
    assert_eq!(c.revoke_token(token.id, t(6)).unwrap().revoked, Some(t(5)));
    assert!(c.token(&[1; 32], t(7)).unwrap().is_none());
    assert!(matches!(c.add_token(&[2; 32], "nobody", "x", 1, t(0)), Err(Error::Missing(_))));
}

#[test]
fn an_administrator_stays() {
    let c = catalog();
    c.add_user("root", UserRole::Administrator, "h", true, t(0)).unwrap();
    assert!(c.disable_user("root", true).is_err() && c.set_role("root", UserRole::Viewer).is_err());
    c.add_user("al", UserRole::Administrator, "h", false, t(0)).unwrap();
    c.disable_user("root", true).unwrap();
    assert!(c.set_role("al", UserRole::Analyst).is_err());
    assert!(c.add_user("al", UserRole::Viewer, "h", false, t(0)).is_err());
    assert_eq!(c.users().unwrap().iter().map(|u| (u.name.as_str(), u.disabled)).collect::<Vec<_>>(), [("al", false), ("root", true)]);
}

#[test]
fn settings_views_and_audit() {
    let c = catalog();
    assert_eq!(c.set_setting("home", &json!(["10.0.0.0/8"]), Some(0), "jo", t(1)).unwrap().version, 1);
    assert!(matches!(c.set_setting("home", &json!([]), Some(0), "al", t(2)), Err(Error::Version(1))));
    assert_eq!(c.set_setting("home", &json!([]), Some(1), "al", t(2)).unwrap().version, 2);
    assert_eq!(c.settings().unwrap().len(), 1);
    c.unset_setting("home").unwrap();
    assert_eq!(c.setting("home").unwrap(), None);

    let mine = c.add_view("telnet", "assets", "service=telnet", "jo", false, t(1)).unwrap();
    c.add_view("open", "cases", "state=new", "al", true, t(1)).unwrap();
    assert_eq!((c.views("jo").unwrap().len(), c.views("al").unwrap().len()), (2, 1));
    assert!(c.remove_view(mine.id, "al").is_err());
    c.remove_view(mine.id, "jo").unwrap();

    for i in 0..30 {
        c.audit_read("jo", &format!("/api/v1/events?q={i}"), i, t(i)).unwrap();
    }
    c.audit("al", "case.close", "c1", &json!({"verdict": "test"}), t(50)).unwrap();
    let f = AuditFilter { limit: 20, who: Some("jo".into()), ..AuditFilter::default() };
    let page = c.audit_trail(&f).unwrap();
    assert_eq!((page.total, page.rows[0].detail["rows"].as_u64()), (30, Some(29)));
    let rest = c.audit_trail(&AuditFilter { cursor: page.next, ..f }).unwrap();
    assert_eq!((rest.rows.len(), rest.rows[9].at, rest.next), (10, t(0), None));
    let total = |action: &str| c.audit_trail(&AuditFilter { action: Some(action.into()), ..AuditFilter::default() }).unwrap().total;
    assert_eq!((total("case"), total("case.close"), total("cas"), total("read")), (1, 1, 0, 30));
    let between = AuditFilter { from: Some(t(10)), until: Some(t(12)), ..AuditFilter::default() };
    assert_eq!(c.audit_trail(&between).unwrap().total, 2);
    assert_eq!(c.forget_audit(t(10)).unwrap(), 10);
}
