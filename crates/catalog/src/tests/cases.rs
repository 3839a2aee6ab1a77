use super::*;

fn all(c: &Catalog) -> Vec<CaseRow> {
    c.cases(&CaseFilter { limit: 100, excluded: true, ..CaseFilter::default() }).unwrap().rows
}

fn close(c: &Catalog, id: &str, verdict: Verdict, now: u64) -> CaseRow {
    let change = CaseChange { state: Some(State::Closed), verdict: Some(verdict), ..CaseChange::default() };
    c.change_case(id, None, &change, "jo", t(now)).unwrap()
}

#[test]
fn a_case_lives_and_new_evidence_reopens_it() {
    let c = catalog();
    let first = case(vec![alert("10.0.0.9", 1000, 40)]);
    keep(&c, std::slice::from_ref(&first), &[], 10);
    let id = first.id.as_str();
    let to = |state, verdict| CaseChange { state: Some(state), verdict, owner: Some("jo".into()), expected_version: None };
    c.change_case(id, None, &to(State::Acknowledged, None), "jo", t(11)).unwrap();
    assert!(
        matches!(c.change_case(id, None, &to(State::Closed, None), "jo", t(12)), Err(Error::Refused(e)) if e.name() == Some("close_verdict"))
    );
    assert!(matches!(c.change_case(id, None, &to(State::New, Some(Verdict::Test)), "jo", t(12)), Err(Error::Refused(_))));
    c.comment(id, Some("replay"), "asked the owner", "al", t(13)).unwrap();
    assert!(c.comment(id, None, " \n", "al", t(13)).is_err());
    let closed = close(&c, id, Verdict::TruePositive, 14);
    assert_eq!(
        (closed.state, closed.verdict, closed.owner.as_str(), closed.version),
        (State::Closed, Some(Verdict::TruePositive), "jo", 3)
    );
    assert_eq!(keep(&c, std::slice::from_ref(&first), &[], 15), Changes::default(), "known evidence reopens nothing");
    // An end that says nothing new does not either.
    let mut ended = first.clone();
    ended.alerts[0].finding.phase = Phase::Close;
    assert_eq!(keep(&c, &[ended], &[], 16).reopened, Vec::<String>::new());
    let grown = case(vec![alert("10.0.0.9", 1000, 80), alert("10.0.0.9", 2000, 5)]);
    let changes = keep(&c, &[grown], &[], 17);
    assert_eq!((changes.reopened.as_slice(), changes.grown.len()), ([id.to_owned()].as_slice(), 1));
    let now = c.case(id, None).unwrap().unwrap();
    assert_eq!((now.state, now.verdict, now.version, now.alerts, now.last), (State::New, None, 4, 2, t(2005)));
    let kinds: Vec<_> = c.trail(id, None).unwrap().iter().map(|r| (r.kind.clone(), r.text.clone(), r.at.secs())).collect();
    let again = alert("10.0.0.9", 1000, 80);
    let want = [
        ("opened", "", 10),
        ("state", "acknowledged", 11),
        ("owner", "jo", 11),
        ("comment", "asked the owner", 13),
        ("state", "closed", 14),
        ("verdict", "true_positive", 14),
        ("reopened", again.id.as_str(), 17),
    ];
    assert_eq!(kinds, want.map(|w| (w.0.to_owned(), w.1.to_owned(), w.2)));
}

#[test]
fn a_case_of_vigies_own_health_closes_by_itself_and_opens_again() {
    let c = catalog();
    let at = |first: u64, phase: Phase| {
        let mut one = alert("10.0.0.9", first, 40);
        let f = &mut one.finding;
        (f.detector, f.template, f.phase) = ("capture_health", "silent", phase);
        f.params = vec![("point", Value::Text("eth1".into())), ("duration", Value::Duration(60 * SECOND))];
        f.entities = vec![Entity { name: Some("eth1".into()), ..Entity::NOBODY }];
        f.reasons = vec![Reason { key: "capture_health.silent", points: 60 }];
        one
    };
    let of = |alerts| Case { story: Story::Health, ..case(alerts) };
    let open = of(vec![at(1000, Phase::Open)]);
    let id = open.id.clone();
    keep(&c, &[open], &[], 10);
    // The end of a run is no mending.
    assert_eq!(keep(&c, &[of(vec![at(1000, Phase::Close)])], &[], 11).resolved, Vec::<String>::new());
    assert_eq!(keep(&c, &[of(vec![at(1000, Phase::Mended)])], &[], 12).resolved, std::slice::from_ref(&id));
    let now = c.case(&id, None).unwrap().unwrap();
    assert_eq!((now.state, now.verdict), (State::Closed, Some(Verdict::Resolved)));
    let trail: Vec<_> = c.trail(&id, None).unwrap().into_iter().map(|r| (r.kind, r.text, r.who)).collect();
    assert_eq!(trail.last().unwrap(), &("verdict".to_owned(), "resolved".to_owned(), "vigie".to_owned()));
    let again = |phase| of(vec![at(1000, Phase::Mended), at(3000, phase)]);
    assert_eq!(keep(&c, &[again(Phase::Open)], &[], 13).reopened, std::slice::from_ref(&id));
    // What a person closed stays as it is.
    close(&c, &id, Verdict::Benign, 14);
    assert_eq!(keep(&c, &[again(Phase::Mended)], &[], 15), Changes::default());
    assert_eq!(c.case(&id, None).unwrap().unwrap().verdict, Some(Verdict::Benign));
    // No person gives this one.
    assert!(!Verdict::GIVEN.contains(&Verdict::Resolved) && Verdict::of("resolved") == Some(Verdict::Resolved));
}

#[test]
fn the_second_of_two_people_is_told() {
    let c = catalog();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[], 10);
    let id = all(&c)[0].id.clone();
    let change = |owner: &str| CaseChange { owner: Some(owner.into()), expected_version: Some(1), ..CaseChange::default() };
    assert_eq!(c.change_case(&id, None, &change("al"), "al", t(11)).unwrap().version, 2);
    match c.change_case(&id, None, &change("jo"), "jo", t(12)) {
        Err(Error::Conflict(is)) => assert_eq!((is.owner.as_str(), is.version), ("al", 2)),
        other => panic!("{other:?}"),
    }
    assert_eq!(c.trail(&id, None).unwrap().len(), 2);
}

#[test]
fn an_older_state_of_an_alert_changes_nothing() {
    let c = catalog();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 80)])], &[], 10);
    assert_eq!(keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[], 11), Changes::default());
    assert_eq!(all(&c)[0].case.as_ref().unwrap().alerts[0].finding.count, 80);
}

#[test]
fn lists_are_filtered_sorted_and_cut() {
    let c = catalog();
    let cases: Vec<Case> = (1..=25).map(|i| case(vec![alert(&format!("10.0.1.{i}"), 1000 * i, 40)])).collect();
    keep(&c, &cases, &[], 10);
    let f = CaseFilter { limit: 10, sort: CaseSort::LastSeen, ..CaseFilter::default() };
    let (mut seen, mut cursor) = (Vec::new(), None);
    loop {
        let page = c.cases(&CaseFilter { cursor, ..f.clone() }).unwrap();
        assert_eq!(page.total, 25);
        seen.extend(page.rows.iter().map(|r| r.first.secs()));
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(seen, (1..=25).rev().map(|i| 1000 * i).collect::<Vec<_>>());
    let count = |f: CaseFilter| c.cases(&f).unwrap().total;
    assert_eq!(count(CaseFilter { ip: Some(ip("10.0.1.7")), ..f.clone() }), 1);
    assert_eq!(count(CaseFilter { ip: Some(ip("10.0.0.2")), ..f.clone() }), 25);
    assert_eq!(count(CaseFilter { from: Some(t(20_000)), until: Some(t(22_500)), ..f.clone() }), 3);
    assert_eq!(count(CaseFilter { severities: vec![vigie_case::Severity::Medium], states: vec![State::New], ..f.clone() }), 25);
    assert_eq!(count(CaseFilter { states: vec![State::Closed], ..f.clone() }), 0);
    assert_eq!(count(CaseFilter { text: Some("Force brute 10.0.1.3".into()), ..f.clone() }), 1, "French words find it, too");
    assert_eq!(count(CaseFilter { owner: Some(String::new()), ..f.clone() }), 25);
    for cursor in ["", "i1", "i1_i2_i3_i4", "x_y_z", "té_i1_i1", "i99999999999999999999_i1_i1"] {
        assert!(matches!(c.cases(&CaseFilter { cursor: Some(cursor.into()), ..f.clone() }), Err(Error::Refused(_))), "{cursor}");
    }
    for sort in [CaseSort::Score, CaseSort::FirstSeen, CaseSort::State] {
        for ascending in [true, false] {
            let page = c.cases(&CaseFilter { sort, ascending, limit: 20, ..f.clone() }).unwrap();
            let rest = c.cases(&CaseFilter { sort, ascending, limit: 20, cursor: page.next.clone(), ..f.clone() }).unwrap();
            let mut ids: Vec<_> = page.rows.iter().chain(&rest.rows).map(|r| &r.id).collect();
            ids.sort();
            ids.dedup();
            assert_eq!((ids.len(), rest.next), (25, None), "{sort:?}");
        }
    }
}

#[test]
fn exclusions_cover_what_they_name_and_show_what_they_would_hide() {
    let c = catalog();
    c.create_dataset("site", Kind::Live, 0, t(0)).unwrap();
    let scanner = asset(7, Some([0, 0, 0, 1, 2, 9]), &[("10.0.0.9", 0, 9000)], Some("scanner"));
    let cases = [case(vec![alert("10.0.0.9", 1000, 40)]), case(vec![alert("10.0.0.8", 1000, 40)])];
    keep(&c, &cases, &[scanner], 10);
    let sees = |json: serde_json::Value| {
        let scope = Scope::from_json(&json).unwrap();
        assert_eq!(Scope::from_json(&scope.to_json()).unwrap(), scope);
        let p = c.preview_exclusion(&scope, t(0)).unwrap();
        assert_eq!((p.looked_at > 0 || p.alerts == 0, p.alerts, p.more), (true, p.cases_total, false));
        p.alerts
    };
    for (scope, want) in [
        (json!({"detector": "brute_force"}), 2),
        (json!({"detector": "scan"}), 0),
        (json!({"asset": "7"}), 1),
        (json!({"asset": "8"}), 0),
        (json!({"role": "ssh"}), 1),
        (json!({"role": "dns"}), 0),
        (json!({"net": "10.0.0.8/31"}), 2),
        (json!({"net": "10.0.0.2"}), 0),
        (json!({"peer": "10.0.0.2"}), 2),
        (json!({"peer": "10.0.0.9"}), 0),
        (json!({"net": "10.0.0.8", "peer": "10.0.0.0/30", "port": 21, "proto": "tcp"}), 1),
        (json!({"net": "10.0.0.8", "port": 22}), 0),
        (json!({"net": "10.0.0.8", "detector": ["scan", "brute_force"]}), 1),
        (json!({"net": "10.0.0.8", "detector": ["scan", "tor"]}), 0),
        (json!({"net": "10.0.0.8", "proto": "udp"}), 0),
        (json!({"net": "10.0.0.8", "dataset": "site"}), 0),
        (json!({"net": "10.0.0.8", "from": t(1000).0, "until": t(1040).0}), 1),
        (json!({"net": "10.0.0.8", "until": t(1039).0}), 0),
        (json!({"net": "10.0.0.8", "from": t(1001).0}), 0),
    ] {
        assert_eq!(sees(scope.clone()), want, "{scope}");
    }
    let later = c.preview_exclusion(&Scope::from_json(&json!({"detector": "brute_force"})).unwrap(), t(5000)).unwrap();
    assert_eq!((later.alerts, later.looked_at), (0, 0));
    for bad in [
        json!([]),
        json!({"colour": "red"}),
        json!({"port": 70_000}),
        json!({"net": "10.0.0.0/40"}),
        json!({"proto": "icmp"}),
        json!({"detector": HOSTILE}),
        json!({"detector": []}),
        json!({"detector": ["scan", 7]}),
        json!({"asset": "-1"}),
    ] {
        assert!(Scope::from_json(&bad).is_err(), "{bad}");
    }
    assert!(c.add_exclusion(&Scope { port: Some(21), ..Scope::default() }, "jo", "x", None, t(20)).is_err(), "hides everything on a port");
}

#[test]
fn an_exclusion_hides_counts_ends_and_gives_back() {
    let c = catalog();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[], 10);
    let id = all(&c)[0].id.clone();
    close(&c, &id, Verdict::Benign, 11);
    let scope = Scope { net: "10.0.0.9".parse().ok(), detectors: vec!["brute_force".into()], ..Scope::default() };
    assert!(c.add_exclusion(&scope, "jo", "", None, t(12)).is_err());
    let x = c.add_exclusion(&scope, "jo", "backup", Some(t(100)), t(12)).unwrap();
    assert_eq!((x.hits, x.last_hit, all(&c)[0].excluded_by), (1, Some(t(1040)), Some(x.id)));
    // It is found by what hides it, and tells so itself.
    let hidden_by = |id| c.cases(&CaseFilter { hidden_by: Some(id), limit: 9, ..CaseFilter::default() }).unwrap().total;
    assert_eq!((hidden_by(x.id), hidden_by(x.id + 1)), (1, 0));
    let last = |c: &Catalog| c.trail(&id, None).unwrap().pop().map(|r| (r.kind, r.text, r.who)).unwrap();
    assert_eq!(last(&c), ("exclusion".into(), x.id.to_string(), "jo".into()));
    // Benign and covered: it stays closed, however it grows.
    let changes = keep(&c, &[case(vec![alert("10.0.0.9", 1000, 80)])], &[], 13);
    assert_eq!((changes.reopened.len(), changes.grown.len(), all(&c)[0].state), (0, 1, State::Closed));
    // What it covers later is not new to anyone.
    let other = case(vec![alert("10.0.0.9", 50_000, 3)]);
    let changes = keep(&c, std::slice::from_ref(&other), &[], 14);
    assert_eq!((changes.new_cases.len(), changes.excluded.len()), (0, 1));
    assert_eq!((c.exclusions(false).unwrap()[0].hits, c.cases(&CaseFilter::default()).unwrap().total), (2, 0));
    // Ended: what comes then is shown, and what was hidden stays so.
    let third = case(vec![alert("10.0.0.9", 90_000, 3)]);
    assert_eq!(keep(&c, std::slice::from_ref(&third), &[], 100).new_cases.len(), 1);
    assert_eq!(keep(&c, &[case(vec![alert("10.0.0.9", 1000, 160)])], &[], 101).reopened.len(), 1, "covered no more");
    let gone = c.remove_exclusion(x.id, "al", t(102)).unwrap();
    assert_eq!((gone.hits, c.exclusions(false).unwrap().len(), c.exclusions(true).unwrap()[0].hits), (1, 0, 1));
    assert_eq!(c.cases(&CaseFilter::default()).unwrap().total, 3);
    let told: Vec<String> = c.trail(&other.id, None).unwrap().into_iter().map(|r| r.kind).collect();
    assert_eq!(told, ["opened", "exclusion", "exclusion_removed"]);
    assert!(matches!(c.remove_exclusion(x.id, "al", t(103)), Err(Error::Missing(_))));
}

#[test]
fn a_true_case_reopens_though_an_exclusion_covers_it() {
    let c = catalog();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)])], &[], 10);
    close(&c, &all(&c)[0].id, Verdict::TruePositive, 11);
    c.add_exclusion(&Scope { net: "10.0.0.9".parse().ok(), ..Scope::default() }, "jo", "x", None, t(12)).unwrap();
    assert_eq!(keep(&c, &[case(vec![alert("10.0.0.9", 1000, 80)])], &[], 13).reopened.len(), 1);
}

#[test]
fn one_case_that_cannot_be_read_spoils_no_list() {
    let c = catalog();
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 40)]), case(vec![alert("10.0.0.8", 1000, 40)])], &[], 10);
    let odd = all(&c)[0].id.clone();
    let sql = "UPDATE alert SET data = replace(data, 'brute_force', 'mind_reader') WHERE case_id = ?1";
    c.write(|db| Ok(db.execute(sql, [&odd])?)).unwrap();
    let told: Vec<_> = all(&c).into_iter().map(|r| r.case.err()).collect();
    assert!(told[0].as_ref().unwrap().contains("mind_reader") && told[1].is_none(), "{told:?}");
    assert_eq!(c.open_cases("replay").unwrap().len(), 1);
    close(&c, &odd, Verdict::Test, 20);
}

#[test]
fn hostile_text_is_data() {
    let c = catalog();
    let mut a = alert("10.0.0.9", 1000, 40);
    a.finding.entities[0].name = Some(HOSTILE.into());
    a.finding.params.push(("user", Value::Text(HOSTILE.into())));
    keep(&c, &[case(vec![a])], &[asset(3, None, &[("10.0.0.3", 1, 2)], Some(HOSTILE))], 10);
    let id = all(&c)[0].id.clone();
    c.comment(&id, None, HOSTILE, HOSTILE, t(1)).unwrap();
    c.audit(HOSTILE, HOSTILE, HOSTILE, &json!({ "x": HOSTILE }), t(1)).unwrap();
    c.set_setting("x", &json!(HOSTILE), None, HOSTILE, t(1)).unwrap();
    assert_eq!(c.trail(&id, None).unwrap()[1].text, HOSTILE);
    assert_eq!(c.audit_trail(&AuditFilter { who: Some(HOSTILE.into()), ..AuditFilter::default() }).unwrap().rows[0].object, HOSTILE);
    assert_eq!(c.asset(3, None).unwrap().unwrap().row.name, HOSTILE);
    assert_eq!(c.assets(&AssetFilter { text: Some("%_\"';".into()), ..AssetFilter::default() }).unwrap().total, 1);
    assert_eq!(c.assets(&AssetFilter { text: Some("a%z".into()), ..AssetFilter::default() }).unwrap().total, 0);
    assert_eq!(c.cases(&CaseFilter { text: Some(HOSTILE.split('\0').next().unwrap().into()), ..CaseFilter::default() }).unwrap().total, 1);
    for name in [HOSTILE, "", "..", "a/b", &"x".repeat(65)] {
        assert!(c.create_dataset(name, Kind::Replay, 0, t(0)).is_err(), "{name}");
        assert!(c.add_user(name, UserRole::Viewer, "h", false, t(0)).is_err() || name == "..", "{name}");
    }
    assert!(matches!(c.case(HOSTILE, Some(HOSTILE)), Ok(None)));
}

#[test]
fn an_alert_is_found_with_a_case_or_without() {
    let c = catalog();
    let (of_case, loose) = (alert("10.0.0.9", 1000, 40), alert("10.0.0.8", 2000, 3));
    let cases = [case(vec![of_case.clone()])];
    let alone = std::slice::from_ref(&loose);
    c.keep("replay", &Kept { cases: &cases, loose: alone, ..Kept::default() }, t(5000)).unwrap();
    for one in [&of_case, &loose] {
        for dataset in [None, Some("replay")] {
            let (name, found) = c.alert(&one.id, dataset).unwrap().unwrap();
            assert_eq!((name.as_str(), &found.id, &found.finding.evidence), ("replay", &one.id, &vec![7, 8]));
        }
    }
    assert!(c.alert("0", None).unwrap().is_none() && c.alert(&loose.id, Some("other")).unwrap().is_none());
    c.create_dataset("other", Kind::Replay, 0, t(0)).unwrap();
    c.keep("other", &Kept { loose: alone, ..Kept::default() }, t(5000)).unwrap();
    let why = c.alert(&loose.id, None).unwrap_err().to_string();
    assert!(why.contains("several datasets") && why.contains("other"), "{why}");
    assert_eq!(c.alert(&loose.id, Some("other")).unwrap().unwrap().0, "other");
}
