//! From YAML text to a tree whose every node knows its line. Owns the guards that the rest relies on: size, depth, no
//! aliases (an alias bomb cannot be written), no tags, no duplicate keys, one document.
//!
//! The tree is built from parser events rather than by serde, because serde stops at the first error and forgets lines: an
//! operator gets all problems of a file at once. Quoted or not, a scalar is its text; what it means is for the key to say.

use std::collections::HashMap;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use super::problem::Problem;

/// The longest configuration, in bytes.
pub(super) const MAX_SIZE: usize = 1024 * 1024;

/// How deep lists and mappings may nest; the configuration itself needs seven levels.
const MAX_DEPTH: usize = 32;

/// One value.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Node {
    /// Counted from 1.
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Nothing, `~` or `null`, not quoted.
    Null,
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping and its value, in the order of the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) line: usize,
    pub(super) value: Node,
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "nothing",
            Self::Text(_) => "a single value",
            Self::List(_) => "a list",
            Self::Map(_) => "a mapping",
        }
    }
}

/// Reads one document. A text that cannot be read as a tree gives the one problem that stops it; duplicate keys, aliases,
/// anchors and tags are all reported.
pub(super) fn parse(text: &str) -> Result<(Node, Vec<Problem>), Vec<Problem>> {
    if text.len() > MAX_SIZE {
        let what =
            format!("the configuration is longer than 1 MiB ({} bytes); split off what is not needed", text.len());
        return Err(vec![Problem::new(1, "", what)]);
    }
    let mut builder = Builder { parser: Parser::new_from_str(text), problems: Vec::new() };
    match builder.document() {
        Ok(node) => Ok((node, builder.problems)),
        Err(fatal) => {
            builder.problems.push(fatal);
            Err(builder.problems)
        }
    }
}

struct Builder<'a> {
    parser: Parser<'a, saphyr_parser::StrInput<'a>>,
    problems: Vec<Problem>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Node, Problem> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd | Event::Nothing => {}
                Event::StreamEnd => break,
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Problem::new(line, "", "a second document; write one, without further --- lines"));
                }
                Event::DocumentStart(_) => {
                    let (event, line) = self.next()?;
                    root = Some(self.node(event, line, 0)?);
                }
                _ => return Err(Problem::new(line, "", "not a YAML document")),
            }
        }
        Ok(root.unwrap_or(Node { line: 1, value: Value::Null }))
    }

    /// The node that starts with `event`. Recursion is bounded by [`MAX_DEPTH`].
    fn node(&mut self, event: Event<'a>, line: usize, depth: usize) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::new(line, "", format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let value = match event {
            Event::Scalar(text, style, anchor, tag) => {
                self.refuse_extras(line, anchor, tag.is_some());
                let null = style == ScalarStyle::Plain && matches!(&*text, "" | "~" | "null" | "Null" | "NULL");
                if null { Value::Null } else { Value::Text(text.into_owned()) }
            }
            Event::SequenceStart(anchor, tag) => {
                self.refuse_extras(line, anchor, tag.is_some());
                let mut items = Vec::new();
                loop {
                    match self.next()? {
                        (Event::SequenceEnd, _) => break Value::List(items),
                        (event, line) => items.push(self.node(event, line, depth + 1)?),
                    }
                }
            }
            Event::MappingStart(anchor, tag) => {
                self.refuse_extras(line, anchor, tag.is_some());
                self.mapping(depth)?
            }
            Event::Alias(_) => {
                self.problems.push(Problem::new(line, "", "an alias (*name) is not supported; write the value itself"));
                Value::Null
            }
            _ => return Err(Problem::new(line, "", "not a YAML document")),
        };
        Ok(Node { line, value })
    }

    fn mapping(&mut self, depth: usize) -> Result<Value, Problem> {
        let mut entries: Vec<Entry> = Vec::new();
        let mut first_lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, line) = self.next()?;
            if event == Event::MappingEnd {
                return Ok(Value::Map(entries));
            }
            let key = match self.node(event, line, depth + 1)?.value {
                Value::Text(key) => key,
                other => {
                    let what = format!("a key is a word, not {}", other.kind());
                    self.problems.push(Problem::new(line, "", what));
                    String::new()
                }
            };
            let (event, value_line) = self.next()?;
            let value = self.node(event, value_line, depth + 1)?;
            match first_lines.insert(key.clone(), line) {
                Some(first) if !key.is_empty() => {
                    let what = format!("the key {key} stands here already, in line {first}; write it once");
                    self.problems.push(Problem::new(line, "", what));
                }
                _ => entries.push(Entry { key, line, value }),
            }
        }
    }

    fn refuse_extras(&mut self, line: usize, anchor: usize, tagged: bool) {
        if anchor != 0 {
            self.problems.push(Problem::new(line, "", "an anchor (&name) is not supported; leave it out"));
        }
        if tagged {
            self.problems.push(Problem::new(line, "", "a tag (!name) is not supported; leave it out"));
        }
    }

    fn next(&mut self) -> Result<(Event<'a>, usize), Problem> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, line_of(&span))),
            Some(Err(e)) => Err(Problem::new(e.marker().line().max(1), "", format!("not valid YAML: {}", e.info()))),
            None => Ok((Event::StreamEnd, 1)),
        }
    }
}

fn line_of(span: &Span) -> usize {
    span.start.line().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of a text without problems.
    fn parse(text: &str) -> Result<Node, Vec<Problem>> {
        let (node, problems) = super::parse(text)?;
        if problems.is_empty() { Ok(node) } else { Err(problems) }
    }

    fn problem(text: &str) -> String {
        let problems = parse(text).expect_err("must fail");
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn keeps_lines_and_text() {
        let text = "a: 1\nb:\n  - x\n  - \"null\"\n  - ~\nc: { d: 'it''s', e: }\n";
        let Value::Map(entries) = parse(text).expect("tree").value else { panic!("map") };
        assert_eq!(
            entries.iter().map(|e| (e.key.as_str(), e.line)).collect::<Vec<_>>(),
            [("a", 1), ("b", 2), ("c", 6)]
        );
        let Value::List(items) = &entries[1].value.value else { panic!("list") };
        assert_eq!(items[1], Node { line: 4, value: Value::Text("null".to_owned()) });
        assert_eq!(items[2], Node { line: 5, value: Value::Null });
    }

    #[test]
    fn an_empty_text_is_nothing() {
        for text in ["", "# only a comment\n", "---\n"] {
            assert_eq!(parse(text).expect("tree").value, Value::Null, "{text:?}");
        }
    }

    #[test]
    fn refuses_duplicates_aliases_tags_and_second_documents() {
        assert_eq!(problem("a: 1\nb: 2\na: 3\n"), "line 3: the key a stands here already, in line 1; write it once");
        let alias = problem("a: &x 1\nb: *x\nc: !t 2\n");
        assert_eq!(alias.lines().count(), 3, "{alias}");
        assert!(alias.contains("line 2: an alias"), "{alias}");
        assert!(problem("a: 1\n---\nb: 1\n").contains("second document"));
        assert!(problem("? [1]\n: 2\n").contains("a key is a word"));
        assert!(problem("a: [1\nb: 2\n").starts_with("line "));
    }

    #[test]
    fn depth_is_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&nested(MAX_DEPTH + 1)).is_ok());
        assert!(problem(&nested(MAX_DEPTH + 2)).contains("nested deeper than 32"));
        assert!(parse(&"[".repeat(MAX_SIZE)).is_err());
        assert!(parse(&"- ".repeat(MAX_SIZE / 2)).is_err());
        assert!(parse(&"{a: ".repeat(MAX_SIZE / 8)).is_err());
    }

    #[test]
    fn size_is_bounded() {
        let mut text = "#".repeat(MAX_SIZE);
        assert!(parse(&text).is_ok());
        text.push('#');
        assert!(problem(&text).contains("longer than 1 MiB"));
        let many_keys: String = (0..80_000).map(|n| format!("k{n}: 1\n")).collect();
        assert!(parse(&many_keys).is_ok());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

        /// Whatever stands in the file, it is a tree or problems with lines: never a panic, never a loop.
        #[test]
        fn any_text_is_read_or_refused(text in "[a-c:\\-?\\[\\]{},&*!|>'\"%@#~\\\\ \t\r\n\u{e9}\u{feff}\u{0}]{0,60}") {
            if let Err(problems) = parse(&text) {
                assert!(!problems.is_empty() && problems.iter().all(|problem| problem.line > 0));
            }
        }
    }
}
