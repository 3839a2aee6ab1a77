//! A sentence for people that others can say in their language: its name, its English, and what stands in it.

use std::borrow::Cow;
use std::fmt;

/// A sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentence {
    /// Empty where it is of one place alone, and only there in English.
    name: &'static str,
    lead: String,
    english: Cow<'static, str>,
    params: Vec<(&'static str, String)>,
}

impl Sentence {
    /// A sentence by its name, which is stable, with `{param}` where something is filled in.
    pub const fn new(name: &'static str, english: &'static str) -> Sentence {
        Sentence { name, lead: String::new(), english: Cow::Borrowed(english), params: Vec::new() }
    }

    /// Fills `value` in.
    pub fn with(mut self, param: &'static str, value: impl fmt::Display) -> Sentence {
        self.params.push((param, value.to_string()));
        self
    }

    /// Says in English first what it is about.
    pub fn under(mut self, what: &str) -> Sentence {
        self.lead.insert_str(0, &format!("{what}: "));
        self
    }

    /// Its name, where it has one.
    pub fn name(&self) -> Option<&'static str> {
        Some(self.name).filter(|n| !n.is_empty())
    }

    /// What is filled in.
    pub fn params(&self) -> &[(&'static str, String)] {
        &self.params
    }

    /// The sentence with each value that is filled in, and a text that has no name, changed.
    pub fn map(mut self, change: impl Fn(String) -> String) -> Sentence {
        self.params = self.params.into_iter().map(|(param, value)| (param, change(value))).collect();
        if self.name.is_empty() {
            self.english = Cow::Owned(change(self.english.into_owned()));
        }
        self
    }
}

impl fmt::Display for Sentence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lead)?;
        let mut rest = &*self.english;
        // What is filled in may hold braces of its own: looked at once, from left to right.
        while !self.params.is_empty()
            && let Some(open) = rest.find('{')
        {
            let (before, after) = rest.split_at(open);
            f.write_str(before)?;
            let found = self
                .params
                .iter()
                .find_map(|(param, value)| after[1..].strip_prefix(param).and_then(|r| r.strip_prefix('}')).map(|rest| (value, rest)));
            rest = match found {
                Some((value, rest)) => {
                    f.write_str(value)?;
                    rest
                }
                None => {
                    f.write_str("{")?;
                    &after[1..]
                }
            };
        }
        f.write_str(rest)
    }
}

impl From<String> for Sentence {
    fn from(english: String) -> Sentence {
        Sentence { name: "", lead: String::new(), english: Cow::Owned(english), params: Vec::new() }
    }
}

impl From<&'static str> for Sentence {
    fn from(english: &'static str) -> Sentence {
        Sentence::new("", english)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_stands_as_it_is() {
        let said = Sentence::new("x", "{a} and {b}, not {c} {").with("a", "{b}").with("b", 2).under("here");
        assert_eq!(said.to_string(), "here: {b} and 2, not {c} {");
        assert_eq!((said.name(), said.params()[1].clone()), (Some("x"), ("b", "2".to_owned())));
    }

    #[test]
    fn a_text_without_a_name_is_only_itself() {
        let said = Sentence::from("as {it} is".to_owned()).map(|t| t.replace("it", "that"));
        assert_eq!((said.name(), said.to_string()), (None, "as {that} is".to_owned()));
    }
}
