//! Cutting a document at its `subsegments` arrays, so that each entity can be parsed on its own.
//!
//! A JSON parser recurses once for each level, and so does the drop of what it returns: a datagram can nest some
//! thousand subsegments, more than `serde_json` allows (128) and more than a thread's stack is good for. Cutting takes
//! one pass over the text and no recursion; what is left in each piece is as deep as its metadata, and the parser's
//! own limit guards that.

/// An entity's own text: its object with `subsegments` emptied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) json: String,
    /// The index of the fragment that encloses this one.
    pub(crate) parent: Option<usize>,
}

/// The fragments of a document, each after the one that encloses it; nothing when the text is not one object, or
/// a `subsegments` array holds anything but objects.
///
/// Only the structure that matters here is checked: a fragment may still be bad JSON, which its parser will say.
pub(crate) fn cut(document: &str) -> Option<Vec<Fragment>> {
    Scanner { text: document, bytes: document.as_bytes(), at: 0, from: 0, fragments: Vec::new() }.run()
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The byte to look at next.
    at: usize,
    /// Where the part begins that the current fragment has not taken yet.
    from: usize,
    fragments: Vec<Fragment>,
}

impl Scanner<'_> {
    fn run(mut self) -> Option<Vec<Fragment>> {
        let mut current = self.begin(None)?;
        // Inside of the current fragment. An array of subsegments does not count, hence it is 1 on return from a child.
        let mut depth = 0_usize;
        loop {
            match *self.bytes.get(self.at)? {
                b'"' => {
                    let key = self.at;
                    self.at = self.string_end()?;
                    if depth == 1 && &self.text[key..self.at] == "\"subsegments\"" && self.enter_array()? {
                        self.take(current);
                        if self.peek()? == b'{' {
                            current = self.begin(Some(current))?;
                            depth = 0;
                        } else {
                            self.from = self.at;
                            self.expect(b']')?;
                        }
                    }
                }
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                    if depth == 0 {
                        self.take(current);
                        let Some(parent) = self.fragments[current].parent else {
                            return self.peek().is_none().then_some(self.fragments);
                        };
                        if self.peek()? == b',' {
                            self.at += 1;
                            current = self.begin(Some(parent))?;
                        } else {
                            self.from = self.at;
                            self.expect(b']')?;
                            (current, depth) = (parent, 1);
                        }
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    /// Begins a fragment at the next object, which is not passed yet.
    fn begin(&mut self, parent: Option<usize>) -> Option<usize> {
        (self.peek()? == b'{').then_some(())?;
        self.from = self.at;
        self.fragments.push(Fragment { json: String::new(), parent });
        Some(self.fragments.len() - 1)
    }

    /// Gives what was passed since the last cut to a fragment.
    fn take(&mut self, fragment: usize) {
        self.fragments[fragment].json.push_str(&self.text[self.from..self.at]);
    }

    /// After a key: passes the colon and the bracket of its array, if it has one.
    fn enter_array(&mut self) -> Option<bool> {
        if self.peek()? != b':' {
            return Some(false);
        }
        self.at += 1;
        let array = self.peek()? == b'[';
        self.at += usize::from(array);
        Some(array)
    }

    /// The next byte which is not blank, not passed.
    fn peek(&mut self) -> Option<u8> {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        self.at += self.bytes[self.at..].iter().take_while(blank).count();
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek()? == byte).then_some(())?;
        self.at += 1;
        Some(())
    }

    /// Past the closing quote of the string which begins here.
    fn string_end(&self) -> Option<usize> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at)? {
                b'"' => return Some(at + 1),
                b'\\' => at += 2,
                _ => at += 1,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut_to_pairs(document: &str) -> Option<Vec<(String, Option<usize>)>> {
        Some(cut(document)?.into_iter().map(|fragment| (fragment.json, fragment.parent)).collect())
    }

    #[test]
    fn each_entity_keeps_its_own_members() {
        let document = r#" {"a":[{"subsegments":[1]}],"subsegments" : [ {"b":"}]","subsegments":[{"c":1}]} , {"d":"\"{"} ],"e":{}} "#;
        let want = [
            (r#"{"a":[{"subsegments":[1]}],"subsegments" : [],"e":{}}"#, None),
            (r#"{"b":"}]","subsegments":[]}"#, Some(0)),
            (r#"{"c":1}"#, Some(1)),
            (r#"{"d":"\"{"}"#, Some(0)),
        ];
        assert_eq!(cut_to_pairs(document), Some(want.map(|(json, parent)| (json.to_owned(), parent)).into()));
    }

    #[test]
    fn an_empty_or_odd_subsegments_member_stays() {
        for document in [r#"{"subsegments":[]}"#, r#"{"subsegments":null}"#, r#"{"x":"subsegments"}"#] {
            assert_eq!(cut_to_pairs(document), Some(vec![(document.to_owned(), None)]), "{document}");
        }
    }

    #[test]
    fn what_is_not_one_object_is_refused() {
        for document in [
            "",
            "[]",
            "1",
            "{",
            "{}{}",
            "{}\n{}",
            "{\"a",
            "{\"a\\",
            "}",
            r#"{"subsegments":[1]}"#,
            r#"{"subsegments":[{},]}"#,
            r#"{"subsegments":[{}{}]}"#,
            r#"{"subsegments":[{}"#,
            r#"{"subsegments":["#,
            r#"{"subsegments""#,
        ] {
            assert_eq!(cut_to_pairs(document), None, "{document}");
        }
    }

    #[test]
    fn depth_costs_no_stack() {
        let depth = 200_000;
        let document = format!("{}{{}}{}", "{\"subsegments\":[".repeat(depth), "]}".repeat(depth));
        assert_eq!(cut(&document).unwrap().len(), depth + 1);
    }
}
