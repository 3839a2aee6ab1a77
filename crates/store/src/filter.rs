//! The query bar: `src_ip:10.0.0.1 -dest_port:443 dns.queries.rrname:*.example.org (proto:UDP or proto:ICMP) "free text"`.
//!
//! ```text
//! filter := and ("or" and)*          and := not+ ("and" may stand between)        not := ["-" | "not"] term
//! term   := "(" filter ")" | field op value | value
//! op     := ":" | "=" | ">" | ">=" | "<" | "<="          value := word | "quoted"
//! ```
//!
//! A field is named as in EVE (`dns.rcode`), or by its last part where no kind has it whole (`rrname`), or is a meaning (`ip`, `port`, `mac`,
//! `name`, `hash`, `user`): any column of that meaning. `event_type:` is the kind. Text is equal byte by byte, with `*` a pattern
//! whatever the case; addresses take networks (`10.0.0.0/8`) and the names of groups of them. A list holds where one of its items does. A value alone is looked for
//! in all text, whatever the case. What a row or its kind lacks is not so; what is not so is so when denied.

use crate::Groups;
use crate::fields::{self, FieldInfo, Meaning};
use crate::pivot::{Needle, Word};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Expr, lit};
use datafusion::prelude::{col, ident};
use std::fmt;
use vigie_base::{Cidr, Ip, NetSet, Sentence, Time, text};
use vigie_event::{Schema, Type};

/// Longest filter, in bytes.
const TEXT_MAX: usize = 16 << 10;
/// Deepest brackets.
const DEPTH_MAX: usize = 32;
/// Most terms.
const TERMS_MAX: usize = 256;

/// Which rows.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Filter {
    /// Every row.
    #[default]
    All,
    /// Rows for which all hold.
    And(Vec<Filter>),
    /// Rows for which one holds.
    Or(Vec<Filter>),
    /// Rows for which it does not hold.
    Not(Box<Filter>),
    /// One test.
    Term(Term),
}

/// One test of one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Term {
    /// Of what.
    pub target: Target,
    /// How.
    pub op: Op,
    /// With what, as written.
    pub value: String,
    /// The networks of the group that the value names, where it names one.
    pub group: Option<NetSet>,
}

/// What a term looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// The kind of event.
    Kind,
    /// A field by its name in EVE.
    Field(String),
    /// Any column of a meaning.
    Meaning(Meaning),
    /// All text.
    Text,
}

/// How a value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// `:` or `=`.
    Is,
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// Where and why a filter's text is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// Byte in the text.
    pub offset: usize,
    /// What is wrong there.
    pub what: Sentence,
    /// The known field nearest to one that is unknown.
    pub nearest: Option<String>,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at character {}: {}", self.offset + 1, self.what)?;
        match &self.nearest {
            Some(n) => write!(f, "; did you mean \"{n}\"?"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for ParseError {}

impl Filter {
    /// Reads a filter. Fields are those of `schemas`; an address may be asked for by the name of one of `groups`.
    pub fn parse(text: &str, schemas: &[&'static Schema], groups: &Groups) -> Result<Filter, ParseError> {
        let mut p = Parser { text, at: 0, terms: 0, fields: fields::fields(schemas), groups };
        if text.len() > TEXT_MAX {
            return Err(p.error(TEXT_MAX, Sentence::new("query_long", "a filter of more than {max} bytes").with("max", TEXT_MAX)));
        }
        p.space();
        if p.at == text.len() {
            return Ok(Filter::All);
        }
        let f = p.or(0)?;
        if p.at < text.len() {
            return Err(p.error(p.at, Sentence::new("query_closes", "a bracket closes that was not opened")));
        }
        Ok(f)
    }

    /// One test, without a text.
    pub fn is(field: &str, value: impl fmt::Display) -> Filter {
        let target = match Meaning::ALL.iter().find(|(n, _)| *n == field) {
            Some((_, m)) => Target::Meaning(*m),
            None if field == "event_type" => Target::Kind,
            None => Target::Field(field.to_owned()),
        };
        Filter::Term(Term { target, op: Op::Is, value: value.to_string(), group: None })
    }

    /// Both.
    pub fn and(self, other: Filter) -> Filter {
        match (self, other) {
            (Filter::All, f) | (f, Filter::All) => f,
            (Filter::And(mut a), f) => {
                a.push(f);
                Filter::And(a)
            }
            (a, b) => Filter::And(vec![a, b]),
        }
    }

    /// As an expression over the columns of a kind; a literal false where no row of the kind can be meant.
    pub(crate) fn compile(&self, schema: &'static Schema, fields: &[FieldInfo]) -> Expr {
        match self {
            Filter::All => lit(true),
            Filter::And(all) => {
                let all: Vec<_> = all.iter().map(|f| f.compile(schema, fields)).collect();
                if all.iter().any(is_false) {
                    return lit(false);
                }
                all.into_iter().filter(|e| !is_true(e)).reduce(Expr::and).unwrap_or_else(|| lit(true))
            }
            Filter::Or(any) => {
                let any: Vec<_> = any.iter().map(|f| f.compile(schema, fields)).collect();
                if any.iter().any(is_true) {
                    return lit(true);
                }
                any.into_iter().filter(|e| !is_false(e)).reduce(Expr::or).unwrap_or_else(|| lit(false))
            }
            Filter::Not(f) => match f.compile(schema, fields) {
                e if is_false(&e) => lit(true),
                e if is_true(&e) => lit(false),
                e => e.is_not_true(),
            },
            Filter::Term(t) => t.compile(schema, fields),
        }
    }

    /// What a row must hold in one of some columns: what Bloom filters can rule out.
    pub(crate) fn needles(&self, fields: &[FieldInfo]) -> Vec<Needle> {
        match self {
            Filter::And(all) => all.iter().flat_map(|f| f.needles(fields)).collect(),
            Filter::Term(t) => t.needle(fields).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the needles say all that the filter does.
    pub(crate) fn is_needles(&self, fields: &[FieldInfo]) -> bool {
        match self {
            Filter::And(all) => all.iter().all(|f| f.is_needles(fields)),
            Filter::Term(t) => t.needle(fields).is_some(),
            _ => false,
        }
    }
}

pub(crate) fn is_false(e: &Expr) -> bool {
    matches!(e, Expr::Literal(ScalarValue::Boolean(Some(false)), _))
}

pub(crate) fn is_true(e: &Expr) -> bool {
    matches!(e, Expr::Literal(ScalarValue::Boolean(Some(true)), _))
}

/// One value's test, on a value of any type.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Test {
    /// Equal text.
    Equal(String),
    /// Pieces between `*`, in lower case.
    Pattern(Vec<String>),
    /// Somewhere in it, in lower case.
    Contains(String),
    /// An address in a network.
    Net(Cidr),
    /// An address in one of the networks of a group.
    Group(NetSet),
    /// A number against another, in thousandths of nothing: `i128` holds every integer.
    Number(Op, i128),
    /// A number with a fraction, by its bits.
    Fraction(Op, u64),
    /// True or false.
    Bool(bool),
}

fn ordered<T: PartialOrd>(op: Op, a: &T, b: &T) -> bool {
    match op {
        Op::Is => a == b,
        Op::Below => a < b,
        Op::AtMost => a <= b,
        Op::Above => a > b,
        Op::AtLeast => a >= b,
    }
}

impl Test {
    pub(crate) fn text(&self, v: &str) -> bool {
        match self {
            Test::Equal(w) => v == w,
            Test::Pattern(pieces) => matches_pattern(pieces, &v.to_lowercase()),
            Test::Contains(w) => v.to_lowercase().contains(w.as_str()),
            Test::Net(n) => v.parse::<Ip>().is_ok_and(|ip| n.contains(ip)),
            Test::Group(g) => v.parse::<Ip>().is_ok_and(|ip| g.contains(ip)),
            _ => false,
        }
    }
    pub(crate) fn number(&self, v: i128) -> bool {
        match self {
            Test::Number(op, w) => ordered(*op, &v, w),
            Test::Fraction(op, w) => ordered(*op, &(v as f64), &f64::from_bits(*w)),
            _ => false,
        }
    }
    pub(crate) fn fraction(&self, v: f64) -> bool {
        match self {
            Test::Number(op, w) => ordered(*op, &v, &(*w as f64)),
            Test::Fraction(op, w) => ordered(*op, &v, &f64::from_bits(*w)),
            _ => false,
        }
    }
    pub(crate) fn boolean(&self, v: bool) -> bool {
        matches!(self, Test::Bool(w) if *w == v)
    }
}

fn matches_pattern(pieces: &[String], v: &str) -> bool {
    let [first, middle @ .., last] = pieces else { return false };
    let Some(mut rest) = v.strip_prefix(first.as_str()) else { return false };
    for m in middle {
        match rest.find(m.as_str()) {
            Some(at) => rest = &rest[at + m.len()..],
            None => return false,
        }
    }
    rest.len() >= last.len() && rest.ends_with(last.as_str())
}

impl Term {
    /// The test of this term on a field of type `ty`; `None` where its value can be none of the type's.
    fn test(&self, ty: &Type) -> Option<Test> {
        let v = self.value.as_str();
        let is = self.op == Op::Is;
        if is && v.contains('*') {
            let text = matches!(ty, Type::Text | Type::Hex | Type::Ip | Type::Mac);
            return text.then(|| Test::Pattern(v.to_lowercase().split('*').map(str::to_owned).collect()));
        }
        match ty {
            Type::Bool | Type::Flag => is.then(|| v.to_ascii_lowercase().parse().ok()).flatten().map(Test::Bool),
            Type::U8 | Type::U16 | Type::U32 | Type::U64 | Type::I64 | Type::F64 => match v.parse::<i128>() {
                Ok(n) => Some(Test::Number(self.op, n)),
                Err(_) => v.parse::<f64>().ok().filter(|f| f.is_finite()).map(|f| Test::Fraction(self.op, f.to_bits())),
            },
            Type::Time => Time::parse(v).map(|t| Test::Number(self.op, i128::from(t.0 / 1000))),
            Type::Ip if !is => None,
            Type::Ip => match v.parse::<Ip>() {
                Ok(ip) => Some(Test::Equal(ip.to_string())),
                Err(_) => v.parse::<Cidr>().ok().map(Test::Net).or_else(|| self.group.clone().map(Test::Group)),
            },
            Type::Mac | Type::Hex => is.then(|| Test::Equal(v.to_ascii_lowercase().replace('-', ":"))),
            // An address in text is looked for in the form in which text has it; a network as one.
            Type::Text if is && self.target == Target::Meaning(Meaning::Ip) => {
                Some(match (v.contains('/').then(|| v.parse::<Cidr>().ok()).flatten(), &self.group) {
                    (Some(net), _) => Test::Net(net),
                    (None, Some(group)) => Test::Group(group.clone()),
                    (None, None) => Test::Equal(v.to_owned()),
                })
            }
            Type::Text if is => Some(Test::Equal(v.to_owned())),
            _ => None,
        }
    }

    fn fields<'a>(&self, fields: &'a [FieldInfo]) -> Vec<&'a FieldInfo> {
        match &self.target {
            Target::Kind => Vec::new(),
            Target::Text => fields.iter().filter(|f| matches!(f.ty, Type::Text | Type::Hex | Type::Ip | Type::Mac)).collect(),
            Target::Meaning(m) => fields.iter().filter(|f| f.meanings.contains(m)).collect(),
            Target::Field(name) => named(name, fields),
        }
    }

    fn compile(&self, schema: &'static Schema, fields: &[FieldInfo]) -> Expr {
        if self.target == Target::Kind {
            return lit(Term { target: Target::Text, ..self.clone() }.test(&Type::Text).is_some_and(|t| t.text(schema.kind)));
        }
        let fields = self.fields(fields);
        if self.target == Target::Text {
            let columns: Vec<_> = fields.iter().map(|f| ident(&f.column)).collect();
            let test = Test::Contains(self.value.to_lowercase());
            return if columns.is_empty() { lit(false) } else { crate::table::tested(test, columns) };
        }
        let tests = fields.iter().filter_map(|f| {
            let test = self.test(if f.name == "proto" { &Type::Text } else { &f.ty })?;
            let test = match test {
                // EVE writes transports in capitals; people do not.
                Test::Equal(w) if f.name == "proto" => Test::Equal(w.to_ascii_uppercase()),
                t => t,
            };
            Some(compare(f, test))
        });
        tests.reduce(Expr::or).unwrap_or_else(|| lit(false))
    }

    fn needle(&self, fields: &[FieldInfo]) -> Option<Needle> {
        let mut columns = Vec::new();
        let mut word = None;
        for f in self.fields(fields) {
            let w = match self.test(&f.ty)? {
                Test::Equal(w) if f.name != "proto" => Word::Text(w),
                Test::Number(Op::Is, n) if matches!(f.ty, Type::U64) => Word::Number(u64::try_from(n).ok()?),
                _ => return None,
            };
            if word.get_or_insert_with(|| w.clone()) != &w {
                return None;
            }
            columns.push(f.column.clone());
        }
        Some(Needle { columns, word: word? })
    }
}

/// The fields of that name; where there is none, those whose path ends with it.
pub(crate) fn named<'a>(name: &str, fields: &'a [FieldInfo]) -> Vec<&'a FieldInfo> {
    let whole: Vec<_> = fields.iter().filter(|f| f.name == name || f.column == name && fields::envelope_type(name).is_some()).collect();
    if !whole.is_empty() {
        return whole;
    }
    fields.iter().filter(|f| ends_with(&f.name, name)).collect()
}

/// Whether `path` is `name`, ends with `.name`, or is so but for parts left out (`dns.rrname` for `dns.queries.rrname`).
fn ends_with(path: &str, name: &str) -> bool {
    if path.strip_suffix(name).is_some_and(|p| p.is_empty() || p.ends_with('.')) {
        return true;
    }
    match name.split_once('.') {
        Some((head, tail)) => path
            .strip_prefix(head)
            .and_then(|p| p.strip_prefix('.'))
            .is_some_and(|p| p.strip_suffix(tail).is_some_and(|p| p.is_empty() || p.ends_with('.'))),
        None => false,
    }
}

/// A column against a test, in the form that statistics and Bloom filters of files can use.
fn compare(f: &FieldInfo, test: Test) -> Expr {
    let c = ident(&f.column);
    if f.list {
        return crate::table::tested(test, vec![c]);
    }
    let against = |op: Op, v: Expr| match op {
        Op::Is => c.clone().eq(v),
        Op::Below => c.clone().lt(v),
        Op::AtMost => c.clone().lt_eq(v),
        Op::Above => c.clone().gt(v),
        Op::AtLeast => c.clone().gt_eq(v),
    };
    macro_rules! integer {
        ($op:expr, $n:expr, $t:ty) => {
            match <$t>::try_from($n) {
                Ok(n) => against($op, lit(n)),
                // No value of the type is on the other side of it.
                Err(_) => match ($n < 0, $op) {
                    (true, Op::Above | Op::AtLeast) | (false, Op::Below | Op::AtMost) => c.is_not_null(),
                    _ => lit(false),
                },
            }
        };
    }
    match (&test, f.ty) {
        (Test::Equal(w), _) => c.eq(lit(w.clone())),
        // A flag that is not set is null.
        (Test::Bool(false), Type::Flag) => c.is_not_true(),
        (Test::Bool(b), _) => c.eq(lit(*b)),
        (Test::Number(op, n), Type::U8) => integer!(*op, *n, u8),
        (Test::Number(op, n), Type::U16) => integer!(*op, *n, u16),
        (Test::Number(op, n), Type::U32) => integer!(*op, *n, u32),
        (Test::Number(op, n), Type::U64) => integer!(*op, *n, u64),
        (Test::Number(op, n), Type::I64) => integer!(*op, *n, i64),
        (Test::Number(op, n), Type::F64) => against(*op, lit(*n as f64)),
        (Test::Number(op, n), Type::Time) => match i64::try_from(*n) {
            Ok(us) => against(*op, Expr::Literal(ScalarValue::TimestampMicrosecond(Some(us), Some("UTC".into())), None)),
            Err(_) => lit(false),
        },
        _ => crate::table::tested(test, vec![col(datafusion::common::Column::new_unqualified(&f.column))]),
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    terms: usize,
    fields: Vec<FieldInfo>,
    groups: &'a Groups,
}

impl Parser<'_> {
    fn error(&self, offset: usize, what: Sentence) -> ParseError {
        ParseError { offset: offset.min(self.text.len()), what, nearest: None }
    }

    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// Takes a word of the language itself, where it stands alone.
    fn keyword(&mut self, word: &str) -> bool {
        let rest = self.rest();
        let found = rest.get(..word.len()).is_some_and(|w| w.eq_ignore_ascii_case(word))
            && rest[word.len()..].chars().next().is_none_or(|c| c.is_whitespace() || c == '(' || c == ')');
        if found {
            self.at += word.len();
            self.space();
        }
        found
    }

    fn or(&mut self, depth: usize) -> Result<Filter, ParseError> {
        if depth > DEPTH_MAX {
            return Err(
                self.error(self.at, Sentence::new("query_deep", "more than {max} brackets inside one another").with("max", DEPTH_MAX))
            );
        }
        let mut any = vec![self.and(depth)?];
        while self.keyword("or") {
            any.push(self.and(depth)?);
        }
        Ok(if any.len() == 1 { any.swap_remove(0) } else { Filter::Or(any) })
    }

    fn and(&mut self, depth: usize) -> Result<Filter, ParseError> {
        let mut all = vec![self.not(depth)?];
        loop {
            let before = self.at;
            if self.keyword("and") {
                all.push(self.not(depth)?);
                continue;
            }
            if self.rest().is_empty() || self.rest().starts_with(')') || self.keyword("or") {
                self.at = before;
                break;
            }
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Filter::And(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Filter, ParseError> {
        let mut denied = false;
        loop {
            if self.rest().starts_with('-') && self.rest().len() > 1 {
                self.at += 1;
                self.space();
            } else if !self.keyword("not") {
                break;
            }
            denied = !denied;
        }
        let f = self.term(depth)?;
        Ok(if denied { Filter::Not(Box::new(f)) } else { f })
    }

    fn term(&mut self, depth: usize) -> Result<Filter, ParseError> {
        if self.rest().starts_with('(') {
            let opened = self.at;
            self.at += 1;
            self.space();
            let f = self.or(depth + 1)?;
            if !self.rest().starts_with(')') {
                return Err(self.error(opened, Sentence::new("query_opens", "a bracket opens and does not close")));
            }
            self.at += 1;
            self.space();
            return Ok(f);
        }
        self.terms += 1;
        if self.terms > TERMS_MAX {
            return Err(self.error(self.at, Sentence::new("query_terms", "more than {max} terms").with("max", TERMS_MAX)));
        }
        let start = self.at;
        let length = self.rest().find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c))).unwrap_or(self.rest().len());
        let name = &self.text[start..start + length];
        let op = [(">=", Op::AtLeast), ("<=", Op::AtMost), (":", Op::Is), ("=", Op::Is), (">", Op::Above), ("<", Op::Below)]
            .into_iter()
            .find(|(s, _)| !name.is_empty() && self.text[start + length..].starts_with(s));
        let Some((sign, op)) = op else {
            let value = self.value(&Sentence::new("query_term", "a term is missing"))?;
            return Ok(Filter::Term(Term { target: Target::Text, op: Op::Is, value, group: None }));
        };
        let name = name.to_owned();
        let target = self.target(&name, start)?;
        self.at += length + sign.len();
        let value_at = self.at;
        let value = self.value(&Sentence::new("query_value", "a value is missing"))?;
        let group = self.groups.get(&value).cloned();
        let term = Term { target, op, value, group };
        let types: Vec<Type> = match &term.target {
            Target::Kind | Target::Text => vec![Type::Text],
            Target::Field(_) | Target::Meaning(_) => term.fields(&self.fields).iter().map(|f| f.ty).collect(),
        };
        if !types.iter().any(|t| term.test(t).is_some()) {
            let what = match types.first() {
                Some(Type::Ip) => {
                    Sentence::new("query_address", "{field} is an address, a network such as 10.0.0.0/8, or the name of a group")
                }
                Some(Type::Bool | Type::Flag) => Sentence::new("query_truth", "{field} is true or false"),
                Some(Type::Time) => Sentence::new("query_time", "{field} is a time such as 2026-11-25T06:56:06"),
                Some(Type::Text | Type::Hex | Type::Mac) => Sentence::new("query_text", "{field} is text, which has no order"),
                _ => Sentence::new("query_number", "{field} is a number"),
            };
            return Err(self.error(value_at, what.with("field", name)));
        }
        Ok(Filter::Term(term))
    }

    fn target(&self, name: &str, at: usize) -> Result<Target, ParseError> {
        if name == "event_type" || name == "kind" {
            return Ok(Target::Kind);
        }
        if let Some((_, m)) = Meaning::ALL.iter().find(|(n, _)| *n == name) {
            return Ok(Target::Meaning(*m));
        }
        if !named(name, &self.fields).is_empty() {
            return Ok(Target::Field(name.to_owned()));
        }
        let known = self.fields.iter().map(|f| f.name.as_str()).chain(Meaning::ALL.iter().map(|(n, _)| *n));
        let nearest = text::nearest(name, known).map(str::to_owned);
        Err(ParseError { nearest, ..self.error(at, Sentence::new("query_field", "unknown field \"{field}\"").with("field", name)) })
    }

    /// A word, or text in quotes (`\"` and `\\` inside).
    fn value(&mut self, missing: &Sentence) -> Result<String, ParseError> {
        let start = self.at;
        if self.rest().starts_with('"') {
            let mut value = String::new();
            let mut chars = self.text[start + 1..].char_indices();
            while let Some((i, c)) = chars.next() {
                match c {
                    '"' => {
                        self.at = start + 1 + i + 1;
                        self.space();
                        return Ok(value);
                    }
                    '\\' => value.extend(chars.next().map(|(_, c)| c)),
                    c => value.push(c),
                }
            }
            return Err(self.error(start, Sentence::new("query_quote", "a quote opens and does not close")));
        }
        let length = self.rest().find(|c: char| c.is_whitespace() || c == '(' || c == ')').unwrap_or(self.rest().len());
        if length == 0 {
            return Err(self.error(start, missing.clone()));
        }
        self.at += length;
        let value = self.text[start..self.at].to_owned();
        self.space();
        Ok(value)
    }
}
