// Rounds of an engine, one after another.

/** Rounds until one has no more and moves nothing; answers its result. */
export const drain = (engine) =>
  roundsUntil(
    engine,
    ({ hasMore, applied, shipped }) => !hasMore && applied === 0 && shipped === 0,
  );

/** Rounds until one has no more, which may have moved something; answers its result. */
export const untilNoMore = (engine) => roundsUntil(engine, ({ hasMore }) => !hasMore);

async function roundsUntil(engine, isLast) {
  for (let round = 0; round < 200; round += 1) {
    const result = await engine.exchange();
    if (isLast(result)) return result;
  }
  throw new Error("200 rounds, and they do not end");
}
