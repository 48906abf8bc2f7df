//! What Aurora DSQL has of SQL, as far as this package uses it: a statement with anything else is told.
//!
//! The list is short on purpose: what the pages of its vendor do not name is not on it, though the server may have it.

/// Words that stand for what it has not, or what is not known of it.
const LACKS: &[&str] = &[
    "savepoint",
    "release",
    "lock",
    "truncate",
    "trigger",
    "sequence",
    "identity",
    "generated",
    "serial",
    "bigserial",
    "temp",
    "temporary",
    "references",
    "foreign",
    "plpgsql",
    "extension",
    "collate",
    "share",
    "listen",
    "notify",
    "recursive",
    "lateral",
    "materialized",
    "ctid",
    "xmin",
    "tid",
    "xid",
    "isolation",
    "vacuum",
    "copy",
    "merge",
    "declare",
    "function",
    "procedure",
    "call",
    "inherits",
    "partition",
    "tablespace",
    "unlogged",
];

/// What may stand before a parenthesis.
const CALLS: &[&str] = &[
    // Words of the language.
    "in",
    "values",
    "and",
    "or",
    "on",
    "as",
    "from",
    "select",
    "where",
    "any",
    "array",
    "not",
    "exists",
    "union",
    "all",
    "over",
    "key",
    "conflict",
    "by",
    "cast",
    "with",
    "then",
    "else",
    "when",
    "join",
    "first",
    "set",
    "using",
    "unique",
    "add",
    "index",
    "async",
    "case",
    "returning",
    "is",
    "table",
    // Functions.
    "count",
    "sum",
    "min",
    "max",
    "mod",
    "coalesce",
    "nullif",
    "greatest",
    "least",
    "unnest",
    "array_agg",
    "string_agg",
    "ntile",
    "gen_random_uuid",
    "clock_timestamp",
    "now",
    "extract",
    "substr",
    "left",
    "length",
    "octet_length",
    "lower",
    "replace",
    "md5",
    "concat_ws",
    "format",
    "format_type",
    "to_regclass",
    "current_database",
    "pg_get_expr",
    "to_jsonb",
    "json_array_elements",
    "row_number",
];

/// What values may be cast to. Lists live within a query alone.
const TYPES: &[&str] = &[
    "text",
    "bigint",
    "int",
    "integer",
    "numeric",
    "boolean",
    "oid",
    "json",
    "timestamptz",
    "double",
    "real",
];

/// What columns may be.
const COLUMNS: &[&str] = &["text", "bigint", "integer", "boolean", "timestamptz"];

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    /// A name in quotes.
    Name,
    /// A text or a number.
    Value,
    Sign(char),
}

impl Token {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(known) if known == word)
    }

    fn word(&self) -> Option<&str> {
        match self {
            Self::Word(word) => Some(word),
            _ => None,
        }
    }
}

/// The statements of a text, each as its words.
fn statements(text: &str) -> Vec<Vec<Token>> {
    let mut all = vec![Vec::new()];
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        let token = match next {
            '\'' | '"' => {
                while let Some(within) = rest.next() {
                    if within == next && rest.next_if_eq(&next).is_none() {
                        break;
                    }
                }
                if next == '"' {
                    Token::Name
                } else {
                    Token::Value
                }
            }
            ';' => {
                all.push(Vec::new());
                continue;
            }
            _ if next.is_whitespace() => continue,
            _ if next.is_ascii_digit() => {
                while rest.next_if(char::is_ascii_digit).is_some() {}
                Token::Value
            }
            _ if next.is_alphabetic() || next == '_' => {
                let mut word = next.to_lowercase().to_string();
                while let Some(more) = rest.next_if(|more| more.is_alphanumeric() || *more == '_') {
                    word.extend(more.to_lowercase());
                }
                Token::Word(word)
            }
            sign => Token::Sign(sign),
        };
        all.last_mut().unwrap().push(token);
    }
    all.retain(|statement| !statement.is_empty());
    all
}

/// Whether a statement of the text defines something.
pub fn defines(text: &str) -> bool {
    let first = |words: &Vec<Token>| {
        words[0]
            .word()
            .is_some_and(|word| matches!(word, "create" | "alter" | "drop"))
    };
    statements(text).iter().any(first)
}

/// Whether a statement of the text writes rows.
pub fn writes(text: &str) -> bool {
    let first = |words: &Vec<Token>| {
        words[0]
            .word()
            .is_some_and(|word| matches!(word, "insert" | "update" | "delete"))
    };
    statements(text).iter().any(first)
}

/// What the server lacks of a text of statements; `None` if it has all.
pub fn lacking(text: &str) -> Option<String> {
    let all = statements(text);
    if all.len() > 1 && defines(text) {
        return Some("a statement that defines stands alone".to_owned());
    }
    all.iter().find_map(|words| of_one(words))
}

fn of_one(words: &[Token]) -> Option<String> {
    let lacks = |what: &str| Some(what.to_owned());
    let word = |at: usize| words.get(at).and_then(Token::word).unwrap_or_default();
    for (at, token) in words.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|before| words.get(before));
        let is_call = words.get(at + 1) == Some(&Token::Sign('('));
        let Token::Word(found) = token else {
            if *token == Token::Sign('$')
                && words.get(at + 1).is_some_and(|next| *next != Token::Value)
            {
                return lacks("a text between dollars");
            }
            continue;
        };
        if LACKS.contains(&found.as_str()) {
            return lacks(found);
        }
        let is_name = before.is_some_and(|before| {
            *before == Token::Sign('.')
                || before.is("as")
                || before.is("table")
                || before.is("exists")
        });
        if is_call && !is_name && !CALLS.contains(&found.as_str()) {
            return Some(format!("{found}()"));
        }
        if before == Some(&Token::Sign(':')) && !TYPES.contains(&found.as_str()) {
            return Some(format!("a cast to {found}"));
        }
        if found == "update" && before.is_some_and(|before| before.is("for")) {
            return lacks("for update");
        }
        if matches!(found.as_str(), "insert" | "delete") && at > 0
            || found == "update" && at > 0 && !before?.is("do")
        {
            return lacks("a write within a query");
        }
    }
    let adds = || {
        words
            .windows(2)
            .any(|two| two[0].is("add") && two[1].is("column"))
    };
    match (word(0), word(1)) {
        ("create", "table") => of_table(words),
        ("create", "index") if word(2) == "async" => of_index(words),
        ("select" | "with" | "insert" | "update" | "delete" | "commit" | "rollback", _)
        | ("begin", "" | "read")
        | ("create", "schema")
        | ("drop", "table") => None,
        ("alter", "table") => (!adds()).then(|| "alter table".to_owned()),
        (first, second) => Some(format!("{first} {second}")),
    }
}

/// What a table has that it cannot.
fn of_table(words: &[Token]) -> Option<String> {
    if words.contains(&Token::Sign('[')) {
        return Some("a column of lists".to_owned());
    }
    // Behind each name of a column stands its type.
    let from = words.iter().position(|word| *word == Token::Sign('('))?;
    let mut is_at_begin = true;
    let mut depth = 0;
    for (at, token) in words.iter().enumerate().skip(from) {
        match token {
            Token::Sign('(') => depth += 1,
            Token::Sign(')') => depth -= 1,
            Token::Sign(',') if depth == 1 => is_at_begin = true,
            Token::Word(_) | Token::Name if depth == 1 && is_at_begin => {
                is_at_begin = false;
                let kind = words.get(at + 1).and_then(Token::word).unwrap_or_default();
                if !token.is("primary") && !token.is("unique") && !COLUMNS.contains(&kind) {
                    return Some(format!("a column of the type {kind}"));
                }
            }
            _ => {}
        }
    }
    None
}

/// What an index has that it cannot: all but names of columns.
fn of_index(words: &[Token]) -> Option<String> {
    let from = words.iter().position(|word| *word == Token::Sign('('))?;
    let (last, columns) = words[from + 1..].split_last()?;
    let is_plain = |token: &Token| match token {
        Token::Word(word) => !matches!(word.as_str(), "where" | "asc" | "desc"),
        Token::Name => true,
        _ => *token == Token::Sign(','),
    };
    (*last != Token::Sign(')') || !columns.iter().all(is_plain))
        .then(|| "an index over expressions".to_owned())
}

#[test]
fn what_dsql_lacks_is_told() {
    for (lacks, statement) in [
        ("savepoint", "SAVEPOINT step"),
        ("truncate", "TRUNCATE t"),
        ("lock", "LOCK TABLE t IN EXCLUSIVE MODE"),
        ("pg_advisory_xact_lock()", "SELECT pg_advisory_xact_lock(1)"),
        ("for update", "SELECT 1 FROM t WHERE a = 'x' FOR UPDATE"),
        ("ctid", "SELECT t.ctid::text FROM t"),
        ("recursive", "WITH RECURSIVE n AS (SELECT 1) SELECT 1"),
        ("collate", "CREATE TABLE t (a text COLLATE \"C\")"),
        (
            "generated",
            "CREATE TABLE t (a bigint GENERATED BY DEFAULT AS IDENTITY)",
        ),
        ("a column of lists", "CREATE TABLE t (a text[])"),
        (
            "a column of the type uuid",
            "CREATE TABLE t (b text, \"a\" uuid)",
        ),
        ("create index", "CREATE INDEX i ON s.t (a)"),
        (
            "an index over expressions",
            "CREATE INDEX ASYNC i ON s.t (a) WHERE a",
        ),
        ("create unique", "CREATE UNIQUE INDEX ASYNC i ON s.t (a)"),
        (
            "a write within a query",
            "WITH a AS (INSERT INTO t VALUES (1)) SELECT 1",
        ),
        (
            "a write within a query",
            "WITH a AS (UPDATE t SET a = 1) SELECT 1",
        ),
        ("set statement_timeout", "SET statement_timeout = 1"),
        ("set_config()", "SELECT set_config('a', 'b', true)"),
        ("tid", "SELECT 'a'::tid"),
        ("a cast to regclass", "SELECT 'a'::regclass"),
        (
            "a statement that defines stands alone",
            "CREATE SCHEMA a; CREATE SCHEMA b",
        ),
        ("isolation", "BEGIN ISOLATION LEVEL SERIALIZABLE"),
        ("function", "CREATE FUNCTION f() RETURNS text"),
    ] {
        assert_eq!(lacking(statement).as_deref(), Some(lacks), "{statement}");
    }
    for statement in [
        "SELECT 'SAVEPOINT', \"lock\" FROM \"a\".records AS t WHERE t.\"id\" = ANY ($1::text[])",
        "INSERT INTO \"a\".b (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET a = excluded.a",
        "CREATE INDEX ASYNC IF NOT EXISTS i ON \"a\".b (node_id, \"x\")",
        "CREATE TABLE IF NOT EXISTS a (one bigint PRIMARY KEY, \"x\" text NOT NULL, PRIMARY KEY (one, x))",
        "BEGIN READ ONLY",
    ] {
        assert_eq!(lacking(statement), None, "{statement}");
    }
}
