//! Cuts a document at its `subsegments` arrays, so that each entity can be parsed separately.
//!
//! A JSON parser recurses once per level, and so does dropping its result. A datagram can nest about a thousand
//! subsegments, more than `serde_json` allows (128) and more than is safe on a thread's stack. Cutting takes one pass
//! over the text and no recursion. Each piece is then only as deep as its metadata, which the parser's own limit
//! covers.

/// The JSON text of one entity: its object with `subsegments` emptied.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fragment {
    pub(crate) json: String,
    /// The index of the fragment that encloses this one.
    pub(crate) parent: Option<usize>,
}

/// The deepest nesting inside one entity: the limit of most JSON parsers, so that other programs can read what is kept.
const MAX_DEPTH: usize = 127;

/// Returns the fragments of a document, each after the one that encloses it. Returns `None` if the text is not a single
/// object, if a `subsegments` array contains anything other than objects, or if an entity nests its own members too deeply.
///
/// This checks only the structure that is needed for cutting. A fragment may still be invalid JSON, which its parser
/// reports.
pub(crate) fn cut(document: &str) -> Option<Vec<Fragment>> {
    Scanner { text: document, bytes: document.as_bytes(), at: 0, from: 0, fragments: Vec::new() }.run()
}

struct Scanner<'a> {
    text: &'a str,
    bytes: &'a [u8],
    /// The position of the next byte to read.
    at: usize,
    /// The start of the text not yet added to the current fragment.
    from: usize,
    fragments: Vec<Fragment>,
}

impl Scanner<'_> {
    fn run(mut self) -> Option<Vec<Fragment>> {
        let mut current = self.begin(None)?;
        // Nesting inside the current fragment. A `subsegments` array does not count, so depth is 1 after a child.
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
                    (depth <= MAX_DEPTH).then_some(())?;
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

    /// Begins a fragment at the next object, without consuming it.
    fn begin(&mut self, parent: Option<usize>) -> Option<usize> {
        (self.peek()? == b'{').then_some(())?;
        self.from = self.at;
        self.fragments.push(Fragment { json: String::new(), parent });
        Some(self.fragments.len() - 1)
    }

    /// Adds the text consumed since the last cut to a fragment.
    fn take(&mut self, fragment: usize) {
        self.fragments[fragment].json.push_str(&self.text[self.from..self.at]);
    }

    /// Consumes the colon after a key and the opening bracket of its array. Returns whether there is an array.
    fn enter_array(&mut self) -> Option<bool> {
        if self.peek()? != b':' {
            return Some(false);
        }
        self.at += 1;
        let array = self.peek()? == b'[';
        self.at += usize::from(array);
        Some(array)
    }

    /// Skips white space and returns the next byte without consuming it.
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

    /// Returns the position after the closing quote of the string that begins here.
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
    fn each_fragment_has_only_its_own_members() {
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
    fn an_empty_subsegments_member_or_one_that_is_no_array_is_kept() {
        for document in [r#"{"subsegments":[]}"#, r#"{"subsegments":null}"#, r#"{"x":"subsegments"}"#] {
            assert_eq!(cut_to_pairs(document), Some(vec![(document.to_owned(), None)]), "{document}");
        }
    }

    #[test]
    fn a_text_other_than_one_object_is_refused() {
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
    fn depth_uses_no_stack() {
        let depth = 200_000;
        let document = format!("{}{{}}{}", "{\"subsegments\":[".repeat(depth), "]}".repeat(depth));
        assert_eq!(cut(&document).unwrap().len(), depth + 1);
    }
}
