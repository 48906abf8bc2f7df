//! Pages by watermarks: they have what a sort of all there is would have, and read little more.

use starkeep_sync_engine::protocol::delta::{Ask, Selection};
use starkeep_sync_engine::protocol::hlc::Hlc;
use starkeep_sync_engine::store::RecordStore;
use starkeep_sync_engine::store::postgres::{PostgresOptions, PostgresRecords};
use tokio_postgres::SimpleQueryMessage;

use crate::support::postgres::{Server, in_each, options, records, shared, sql};
use crate::support::{at, item};

/// Versions of many nodes, of which a few have most, each time of node 7 twice.
fn versions() -> Vec<Hlc> {
    let of_node = |node: u64| {
        let name = format!("n{node:02}");
        let count = if node.is_multiple_of(9) {
            120
        } else {
            1 + node % 30
        };
        let time = move |nr: u64| {
            if node == 7 {
                nr / 2
            } else {
                nr * (1 + node % 4)
            }
        };
        (0..count).map(move |nr| at(100 + time(nr), nr % 2 * (node % 2), &name))
    };
    (0..40).flat_map(of_node).collect()
}

/// Callers that have seen nothing, a half, all but what one node wrote, and that ask for a stretch, or for a few nodes.
fn asks(all: &[Hlc]) -> Vec<Ask> {
    let mut asks = vec![Ask::default(); 5];
    for hlc in all {
        let is_early = hlc.wall_time < 140;
        if is_early {
            asks[1].seen.advance(hlc);
            asks[3].seen.advance(hlc);
        }
        if hlc.node_id != "n09".into() {
            asks[2].seen.advance(hlc);
        }
        if hlc.wall_time < 160 && hlc.node_id != "n03".into() {
            asks[3].upto.get_or_insert_default().advance(hlc);
        }
        if hlc.node_id >= "n20".into() {
            asks[4].skip.insert(hlc.node_id.clone());
        }
    }
    asks
}

#[tokio::test]
async fn a_page_of_many_nodes_is_the_beginning_of_all_that_is_unseen() {
    let Some(server) = shared() else { return };
    let all = versions();
    in_each(server, async |options| {
        let records = records(&options);
        let items = all.iter().enumerate();
        let items = items.map(|(nr, hlc)| item(&format!("r{nr}"), hlc));
        records.take_in(items.collect(), false).await.unwrap();
        // Without a place in the order, at the beginning of a node that has others.
        let table = format!("{}.records", options.schema);
        let lost = format!("UPDATE {table} SET updated_at = '0' WHERE id IN ('r0', 'r5', 'r9')");
        sql(&server.url, &lost).await.unwrap();
        for ask in asks(&all) {
            for limit in [1, 2, 10, 45, 300, usize::MAX] {
                let ask = Ask {
                    limit,
                    ..ask.clone()
                };
                let mut page = Selection::new(limit);
                for (nr, hlc) in all.iter().enumerate() {
                    if ask.wants(hlc) && ![0, 5, 9].contains(&nr) {
                        page.offer(hlc.clone(), hlc.clone());
                    }
                }
                let (wanted, more) = page.finish().into_items();
                let wanted: Vec<Hlc> = wanted.into_iter().map(|(hlc, _)| hlc).collect();
                let (found, has_more) = records.unseen(ask).await.unwrap();
                let found: Vec<Hlc> = found.into_iter().map(|item| item.hlc).collect();
                assert_eq!((found, has_more), (wanted, more), "{limit}");
            }
        }
        records.close().await.unwrap();
    })
    .await;
}

const NODES: u64 = 50;
const EACH: u64 = 300;

/// How many rows of the table and entries of its index were read so far.
async fn read_of(server: &Server, schema: &str) -> u64 {
    let query = format!(
        "SELECT (t.seq_tup_read + i.idx_tup_read)::text FROM pg_stat_user_tables AS t
           JOIN pg_stat_user_indexes AS i ON i.relid = t.relid AND i.indexrelname = 'idx_records_node_watermark'
          WHERE t.schemaname = '{schema}' AND t.relname = 'records'"
    );
    let rows = sql(&server.url, &query).await.unwrap();
    let count = rows.iter().find_map(|row| match row {
        SimpleQueryMessage::Row(row) => row.get(0),
        _ => None,
    });
    count.unwrap().parse().unwrap()
}

/// How much a page reads. What a connection read is counted once it has ended.
async fn read_by_a_page(server: &Server, options: &PostgresOptions, ask: &Ask) -> u64 {
    let before = read_of(server, &options.schema).await;
    let records: PostgresRecords = records(options);
    let (page, more) = records.unseen(ask.clone()).await.unwrap();
    assert!(page.len() == ask.limit && more);
    records.close().await.unwrap();
    loop {
        let read = read_of(server, &options.schema).await - before;
        if read > 0 {
            return read;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_page_of_many_nodes_reads_a_few_times_its_length_with_statistics_and_without() {
    let Some(server) = shared() else { return };
    let options = options(server);
    let first = records(&options);
    first.init().await.unwrap();
    first.close().await.unwrap();
    let table = format!("{}.records", options.schema);
    let fill = format!(
        "ALTER TABLE {table} SET (autovacuum_enabled = false);
         INSERT INTO {table} (id, type, created_at, updated_at, node_id, version, content_hash, object_storage_key, mime_type,
                              size_bytes, origin_app_id)
           SELECT 'r' || nr, 't', '', lpad(to_hex(1000 + nr), 12, '0') || ':0000:n' || nr % {NODES}, 'n' || nr % {NODES}, 1, '', '',
                  '', 0, 'a' FROM generate_series(1, {NODES} * {EACH}) AS nr"
    );
    sql(&server.url, &fill).await.unwrap();
    let limit = 500;
    let mut middle = Ask {
        limit,
        ..Ask::default()
    };
    for node in 0..NODES {
        let seen = at(1000 + NODES * EACH / 2, 0, &format!("n{node}"));
        middle.seen.advance(&seen);
    }
    let fresh = Ask {
        limit,
        ..Ask::default()
    };
    for statistics in ["SELECT 1", "VACUUM ANALYZE"] {
        let statistics = statistics.replace("ANALYZE", &format!("ANALYZE {table}"));
        sql(&server.url, &statistics).await.unwrap();
        for ask in [&fresh, &middle] {
            let read = read_by_a_page(server, &options, ask).await;
            assert!(read < 6 * limit as u64, "{read} with {statistics}");
        }
    }
}
