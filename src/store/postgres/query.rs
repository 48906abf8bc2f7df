//! Questions of an app as SQL.
//!
//! Texts have the order of their bytes, and times that of their texts.

use std::fmt::Write as _;

use super::columns::{FieldKind, KIND, is_known};
use super::delta::bound;
use super::param::Param;
use super::rows;
use super::schema::Shape;
use super::session::PgSession;
use crate::error::Result;
use crate::store::query::{
    AfterPlace, Choice, Comparison, Condition, Direction, Filter, OPERATION, Operand, Query,
    QueryResult, Sort, no_such_cursor, no_such_field,
};
use crate::store::row::layout::EXTRA;

/// Answers a query.
pub(super) async fn run(session: &PgSession, shape: &Shape, query: &Query) -> Result<QueryResult> {
    let mut sql = Builder::new(shape);
    if let Some(kind) = &query.r#type {
        let kind = sql.bind(Param::text(kind.as_str()));
        sql.conditions.push(format!("t.\"type\" = {kind}"));
    }
    for filter in query.filters.iter().flatten() {
        sql.filter(filter)?;
    }
    let order = sql.order(query.sort.as_deref().unwrap_or_default())?;
    if let Some(cursor) = &query.cursor {
        sql.after(session, &order, cursor).await?;
    }
    let limit = query.most()?;
    let (text, params) = sql.finish(&order, limit.saturating_add(1));
    let mut found = session.query(OPERATION, &text, &params).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let mut last = None;
    let mut records = Vec::with_capacity(found.len());
    for row in found {
        let stored = rows::read(OPERATION, shape, &row)?;
        last = stored.id(shape).map(ToOwned::to_owned);
        records.push(stored.json(shape));
    }
    Ok(QueryResult {
        records,
        next_cursor: last.filter(|_| has_more),
        has_more,
    })
}

struct Builder<'a> {
    shape: &'a Shape,
    conditions: Vec<String>,
    params: Vec<Param>,
}

/// One step of an order, as SQL.
struct OrderStep {
    field: AskedField,
    direction: Direction,
}

struct AskedField {
    sql: String,
    class: Class,
}

/// How the values of a field compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Text,
    Time,
    Number,
}

impl Class {
    /// A text that is a parameter, as a value of this class.
    fn of_text(self, param: &str) -> String {
        match self {
            Self::Text | Self::Time => format!("{param}::text"),
            Self::Number => format!("CAST({param}::text AS numeric)"),
        }
    }
}

/// What a field is compared with.
enum Against {
    /// A parameter that compares with it.
    Param(String),
    /// A text, which no number is, and which is greater than each.
    NoNumber,
    /// Nothing.
    Null,
}

impl<'a> Builder<'a> {
    fn new(shape: &'a Shape) -> Self {
        Self {
            shape,
            conditions: Vec::new(),
            params: Vec::new(),
        }
    }

    fn bind(&mut self, param: Param) -> String {
        self.params.push(param);
        format!("${}", self.params.len())
    }

    fn filter(&mut self, filter: &Filter) -> Result<()> {
        let field = self.field(&filter.field)?;
        let f = &field.sql;
        let condition = match filter.condition(field.class == Class::Time)? {
            Condition::IsNull => format!("{f} IS NULL"),
            Condition::IsNotNull => format!("{f} IS NOT NULL"),
            Condition::In(choice) => self.one_of(&field, choice),
            Condition::NotIn(choice) => format!("({}) IS NOT TRUE", self.one_of(&field, choice)),
            Condition::Compare(comparison, operand) => self.compare(&field, comparison, operand),
        };
        self.conditions.push(condition);
        Ok(())
    }

    fn compare(&mut self, field: &AskedField, comparison: Comparison, operand: Operand) -> String {
        let f = &field.sql;
        if let Comparison::Like | Comparison::Contains | Comparison::StartsWith = comparison {
            let Some(pattern) = text_of(operand) else {
                return "FALSE".to_owned();
            };
            let v = self.bind(Param::text(pattern));
            let text = format!("({f})::text");
            return match comparison {
                // ASCII letters alone are alike whatever their case.
                Comparison::Like => {
                    format!("lower({text} COLLATE \"C\") LIKE lower({v} COLLATE \"C\") ESCAPE ''")
                }
                Comparison::Contains => format!("strpos({text}, {v}) > 0"),
                _ => format!("starts_with({text}, {v})"),
            };
        }
        let is_not_equal = comparison == Comparison::NotEqual;
        match self.against(field.class, operand) {
            Against::Param(v) => match comparison {
                Comparison::NotEqual => format!("{f} IS DISTINCT FROM {v}"),
                Comparison::Greater => format!("{f} > {v}"),
                Comparison::AtLeast => format!("{f} >= {v}"),
                Comparison::Less => format!("{f} < {v}"),
                Comparison::AtMost => format!("{f} <= {v}"),
                _ => format!("{f} = {v}"),
            },
            Against::NoNumber if is_not_equal => "TRUE".to_owned(),
            Against::NoNumber if matches!(comparison, Comparison::Less | Comparison::AtMost) => {
                format!("{f} IS NOT NULL")
            }
            Against::Null if is_not_equal => format!("{f} IS NOT NULL"),
            Against::NoNumber | Against::Null => "FALSE".to_owned(),
        }
    }

    fn against(&mut self, class: Class, operand: Operand) -> Against {
        if let Operand::Time(hlc) = operand {
            return Against::Param(self.bind(Param::text(bound(&hlc))));
        }
        let Some(text) = text_of(operand) else {
            return Against::Null;
        };
        if class == Class::Number && !is_number(&text) {
            return Against::NoNumber;
        }
        let param = self.bind(Param::text(text));
        Against::Param(class.of_text(&param))
    }

    fn one_of(&mut self, field: &AskedField, choice: Choice) -> String {
        let f = &field.sql;
        let mut any = Vec::new();
        for operand in choice.values {
            if let Against::Param(v) = self.against(field.class, operand) {
                any.push(v);
            }
        }
        let mut condition = if any.is_empty() {
            "FALSE".to_owned()
        } else {
            format!("{f} IN ({})", any.join(", "))
        };
        if choice.or_null {
            let _ = write!(condition, " OR {f} IS NULL");
        }
        format!("({condition})")
    }

    fn order(&self, sort: &[Sort]) -> Result<Vec<OrderStep>> {
        let mut order = Vec::with_capacity(sort.len() + 1);
        for step in sort {
            order.push(OrderStep {
                field: self.field(&step.field)?,
                direction: step.direction,
            });
        }
        order.push(OrderStep {
            field: self.field("id")?,
            direction: Direction::Asc,
        });
        Ok(order)
    }

    /// Only what comes after the record `cursor` in this order.
    async fn after(
        &mut self,
        session: &PgSession,
        order: &[OrderStep],
        cursor: &str,
    ) -> Result<()> {
        let place = if order.len() == 1 {
            vec![Some(cursor.to_owned())]
        } else {
            self.place_of(session, order, cursor).await?
        };
        let mut after = AfterPlace::new("IS NOT DISTINCT FROM");
        for (OrderStep { field, direction }, value) in order.iter().zip(place) {
            let is_null = value.is_none();
            let value = self.bind(Param::Text(value));
            let value = field.class.of_text(&value);
            after.then((&field.sql, *direction), (&value, is_null));
        }
        self.conditions.push(after.condition());
        Ok(())
    }

    /// Where a record stands in an order.
    async fn place_of(
        &self,
        session: &PgSession,
        order: &[OrderStep],
        id: &str,
    ) -> Result<Vec<Option<String>>> {
        let fields = order
            .iter()
            .map(|step| format!("({})::text", step.field.sql));
        let sql = format!(
            "SELECT {} FROM {} AS t WHERE t.\"id\" = $1",
            fields.collect::<Vec<_>>().join(", "),
            self.shape.table
        );
        let rows = session.query(OPERATION, &sql, &[Param::text(id)]).await?;
        let row = rows.first().ok_or_else(|| no_such_cursor(id))?;
        let read = |at: usize| row.try_get(at).map_err(super::fault::during(OPERATION));
        (0..order.len()).map(read).collect()
    }

    fn finish(mut self, order: &[OrderStep], most: usize) -> (String, Vec<Param>) {
        let mut sql = self.shape.select.clone();
        if !self.conditions.is_empty() {
            let _ = write!(sql, " WHERE {}", self.conditions.join(" AND "));
        }
        let order: Vec<String> = order
            .iter()
            .map(|OrderStep { field, direction }| match direction {
                Direction::Asc => format!("{} ASC NULLS FIRST", field.sql),
                Direction::Desc => format!("{} DESC NULLS LAST", field.sql),
            })
            .collect();
        let most = self.bind(Param::count(most));
        let _ = write!(sql, " ORDER BY {} LIMIT {most}::bigint", order.join(", "));
        (sql, self.params)
    }

    fn field(&self, name: &str) -> Result<AskedField> {
        let of = |sql: String, class| Ok(AskedField { sql, class });
        if name == KIND {
            return of("'data'::text".to_owned(), Class::Text);
        }
        let Some(at) = self.shape.position_of(name) else {
            if !is_known(name) {
                return Err(no_such_field(name));
            }
            return of(self.without_column(name), Class::Text);
        };
        let (columns, kinds) = (&self.shape.columns, &self.shape.kinds);
        let is_time = columns
            .get(at)
            .is_some_and(|column| column.kind == FieldKind::Time);
        match kinds.get(at) {
            Some(kind) if kind.is_number() => of(kind.number(), Class::Number),
            Some(kind) if is_time => of(kind.ordered(), Class::Time),
            Some(kind) => of(kind.ordered(), Class::Text),
            None => Err(no_such_field(name)),
        }
    }

    /// A field that every record may have, in a table without a column for it.
    fn without_column(&self, name: &str) -> String {
        if !self.shape.has_extra {
            return "NULL::text".to_owned();
        }
        format!(
            "(CASE WHEN t.{EXTRA} LIKE '[%' THEN t.{EXTRA}::json -> 0 ->> '{name}' ELSE t.{EXTRA}::json ->> '{name}' END)"
        )
    }
}

fn text_of(operand: Operand) -> Option<String> {
    match operand {
        Operand::Null => None,
        Operand::Whole(whole) => Some(whole.to_string()),
        Operand::Real(real) => Some(real.to_string()),
        Operand::Text(text) => Some(text),
        Operand::Time(hlc) => Some(hlc.to_string()),
    }
}

/// Whether a database reads it as a number, which a record can have.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && text.parse::<f64>().is_ok_and(f64::is_finite)
}
