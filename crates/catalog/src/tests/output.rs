use super::*;

/// What an output is told until nothing is left, each with its case's number.
fn told(c: &Catalog, name: &str, imports: bool) -> Vec<(Moment, String, String)> {
    let mut all = Vec::new();
    loop {
        let at = c.output(name).unwrap().position;
        match c.notice_after(at, imports).unwrap() {
            Next::Notice(n) => {
                c.output_took(name, n.id, t(99)).unwrap();
                all.push((n.moment, n.case.id, n.who));
            }
            Next::Nothing(upto) => {
                c.output_passed(name, upto).unwrap();
                return all;
            }
        }
    }
}

#[test]
fn a_case_is_told_once_for_each_opening_and_closing() {
    let c = catalog();
    let old = case(vec![alert("10.0.0.3", 500, 40)]);
    keep(&c, std::slice::from_ref(&old), &[], 9);
    // What happened before an output was asked for is not told.
    assert_eq!(told(&c, "webhook", true), []);
    let one = case(vec![alert("10.0.0.9", 1000, 40)]);
    keep(&c, std::slice::from_ref(&one), &[], 10);
    let to = |state, verdict| CaseChange { state: Some(state), verdict, ..CaseChange::default() };
    let closed = to(State::Closed, Some(Verdict::Benign));
    let change = |change: &CaseChange, at| c.change_case(&one.id, None, change, "jo", t(at)).map(drop).unwrap();
    change(&to(State::Acknowledged, None), 11);
    c.comment(&one.id, None, "asked", "jo", t(11)).unwrap();
    change(&closed, 12);
    // Another verdict is no other closing.
    change(&to(State::Closed, Some(Verdict::Test)), 13);
    let of = |moment, who: &str| (moment, one.id.clone(), who.to_owned());
    assert_eq!(told(&c, "webhook", true), [of(Moment::Opened, "vigie"), of(Moment::Closed, "jo")]);
    assert_eq!(told(&c, "webhook", true), []);
    // New evidence opens it again, and so does a person.
    keep(&c, &[case(vec![alert("10.0.0.9", 1000, 80), alert("10.0.0.9", 2000, 5)])], &[], 14);
    change(&closed, 15);
    change(&to(State::InProgress, None), 16);
    change(&to(State::New, None), 17);
    let want = [of(Moment::Reopened, "vigie"), of(Moment::Closed, "jo"), of(Moment::Reopened, "jo")];
    assert_eq!(told(&c, "webhook", true), want);
    let state = c.output("webhook").unwrap();
    assert_eq!((state.delivered, state.dropped, state.success), (5, 0, Some(t(99))));
    // Forgotten and asked for again, it begins behind all that.
    c.forget_output("webhook").unwrap();
    assert_eq!(told(&c, "webhook", true), []);
    assert_eq!(c.outputs().unwrap().len(), 1);
}

#[test]
fn imports_and_what_is_normal_are_passed_over() {
    let c = catalog();
    c.create_dataset("live", Kind::Live, 0, t(0)).unwrap();
    c.output("syslog").unwrap();
    let [a, b] = ["10.0.0.9", "10.0.0.8"].map(|ip| case(vec![alert(ip, 1000, 40)]));
    c.add_exclusion(&Scope { net: Some("10.0.0.8".parse().unwrap()), ..Scope::default() }, "jo", "backup", None, t(1)).unwrap();
    for dataset in ["replay", "live"] {
        c.keep(dataset, &Kept { cases: &[a.clone(), b.clone()], ..Kept::default() }, t(10)).unwrap();
    }
    let next = c.notice_after(0, false).unwrap();
    let Next::Notice(n) = next else { panic!("{next:?}") };
    assert_eq!((n.case.dataset.as_str(), n.case.id.as_str()), ("live", a.id.as_str()));
    // Refused, it is the next one still; given up, it is not.
    c.output_refused("syslog", n.id, false, "nobody is there", t(11)).unwrap();
    let state = c.output("syslog").unwrap();
    assert_eq!((state.position, state.dropped, state.error), (0, 0, Some((t(11), "nobody is there".to_owned()))));
    c.output_refused("syslog", n.id, true, "nobody is there", t(12)).unwrap();
    let state = c.output("syslog").unwrap();
    assert_eq!((state.position, state.dropped, state.delivered), (n.id, 1, 0));
    assert_eq!(told(&c, "syslog", false), []);
    c.forget_output("syslog").unwrap();
    c.output("syslog").unwrap();
    let change = CaseChange { state: Some(State::Closed), verdict: Some(Verdict::Test), ..CaseChange::default() };
    for id in [&a.id, &b.id] {
        c.change_case(id, Some("replay"), &change, "jo", t(20)).unwrap();
    }
    // A person who closes a hidden one is told of.
    assert_eq!(told(&c, "syslog", true).len(), 2);
}
