use crate::testing::{ToClient, ToServer, datagrams, get};

#[test]
fn a_question_and_its_answer() {
    let question = b"\x12\x34\0\0\0\x01\0\0\0\0\0\0\x04wpad\0\0\x01\0\x01";
    let mut answer = question.to_vec();
    answer[2] = 0x80;
    answer[7] = 1;
    answer.extend_from_slice(b"\xc0\x0c\0\x01\0\x01\0\0\0\x1e\0\x04\x0a\0\0\x02");
    let lines = datagrams(5355, &[(ToServer, question), (ToClient, &answer)]);
    assert_eq!(get(&lines[0], "llmnr.queries.0.rrname"), "\"wpad\"");
    assert_eq!(get(&lines[1], "llmnr.type"), "\"response\"");
    assert_eq!(get(&lines[1], "llmnr.answers.0.rdata"), "\"10.0.0.2\"");
    assert_eq!(get(&lines[1], "src_ip"), "\"10.0.0.2\"");
    assert_eq!((get(&lines[2], "fact.key"), get(&lines[2], "fact.value")), ("\"hostname\"".into(), "\"wpad\"".into()));
}
