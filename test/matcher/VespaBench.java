import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

import com.yahoo.document.predicate.Conjunction;
import com.yahoo.document.predicate.FeatureConjunction;
import com.yahoo.document.predicate.FeatureSet;
import com.yahoo.document.predicate.Negation;
import com.yahoo.document.predicate.Predicate;
import com.yahoo.search.predicate.Config;
import com.yahoo.search.predicate.PredicateIndex;
import com.yahoo.search.predicate.PredicateIndexBuilder;
import com.yahoo.search.predicate.PredicateQuery;
import com.yahoo.search.predicate.index.conjunction.ConjunctionIndex;
import com.yahoo.search.predicate.index.conjunction.ConjunctionIndexBuilder;
import com.yahoo.search.predicate.index.conjunction.IndexableFeatureConjunction;

/**
 * How long Vespa's predicate search takes for each event: matcher_peer.sql
 * runs it beside our matcher.  Events are given as it wants them, their
 * features' hashes computed.
 *
 * Arguments: a file of expressions, a line each, such as "a1=v3 a2=v4 !a5=v1";
 * one of events, such as "a1=v3 a2=v9"; the seconds to go on for, JIT compiler
 * and caches warm long before, the least of all rounds counts.
 *
 * Prints, with tabs between: microseconds of the thread's processor time an
 * event, and matches an event, of the conjunction index alone (which has equal
 * expressions once), of the index of documents with conjunctions, of the same
 * by intervals only.
 */
@SuppressWarnings("removal") /* all of it is deprecated */
public class VespaBench {
	private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();

	/** Answers how many match. */
	private interface Search {
		long count(PredicateQuery query);
	}

	/** One way of searching, and the best that was seen of it. */
	private static class Measured {
		private final Search search;
		private double microseconds = Double.MAX_VALUE;
		private double matches;

		Measured(Search search) {
			this.search = search;
		}

		void round(List<PredicateQuery> queries) {
			long found = 0;
			long start = THREADS.getCurrentThreadCpuTime();

			for (PredicateQuery query : queries)
				found += search.count(query);
			microseconds = Math.min(microseconds, (THREADS.getCurrentThreadCpuTime() - start) / 1e3 / queries.size());
			matches = (double) found / queries.size();
		}
	}

	private static List<Predicate> operands(String expression) {
		List<Predicate> operands = new ArrayList<>();

		for (String term : expression.split(" ")) {
			boolean negated = term.startsWith("!");
			String[] feature = term.substring(negated ? 1 : 0).split("=", 2);
			Predicate set = new FeatureSet(feature[0], feature[1]);

			operands.add(negated ? new Negation(set) : set);
		}
		return operands;
	}

	private static PredicateIndex documents(List<String> expressions, boolean conjunctions) {
		Config config = new Config.Builder().setUseConjunctionAlgorithm(conjunctions).build();
		PredicateIndexBuilder builder = new PredicateIndexBuilder(config);
		int id = 0;

		for (String expression : expressions)
			builder.indexDocument(++id, new Conjunction(operands(expression)));
		return builder.build();
	}

	private static List<PredicateQuery> queries(List<String> events) {
		List<PredicateQuery> queries = new ArrayList<>();

		for (String event : events) {
			PredicateQuery query = new PredicateQuery();

			for (String term : event.split(" ")) {
				String[] feature = term.split("=", 2);

				query.addFeature(feature[0], feature[1]);
			}
			queries.add(query);
		}
		return queries;
	}

	public static void main(String[] arguments) throws Exception {
		List<String> expressions = Files.readAllLines(Path.of(arguments[0]));
		List<PredicateQuery> queries = queries(Files.readAllLines(Path.of(arguments[1])));
		long seconds = Long.parseLong(arguments[2]);
		ConjunctionIndexBuilder builder = new ConjunctionIndexBuilder();

		for (String expression : expressions)
			builder.indexConjunction(new IndexableFeatureConjunction(new FeatureConjunction(operands(expression))));

		PredicateIndex withConjunctions = documents(expressions, true);
		PredicateIndex byIntervals = documents(expressions, false);
		ConjunctionIndex.Searcher conjunctions = builder.build().searcher();
		PredicateIndex.Searcher documents = withConjunctions.searcher();
		PredicateIndex.Searcher intervals = byIntervals.searcher();
		List<Measured> all = List.of(new Measured(query -> conjunctions.search(query).size()),
			new Measured(query -> documents.search(query).count()),
			new Measured(query -> intervals.search(query).count()));
		long start = System.nanoTime();

		for (int round = 0; System.nanoTime() - start < seconds * 1_000_000_000L; round++) {
			for (Measured measured : all)
				measured.round(queries);
			if (round == 3) {	/* as its own benchmark does, when some queries were seen */
				withConjunctions.rebuildPostingListCache();
				byIntervals.rebuildPostingListCache();
			}
		}

		List<String> columns = new ArrayList<>();

		for (Measured measured : all)
			columns.add(String.format(Locale.ROOT, "%.3f\t%.2f", measured.microseconds, measured.matches));
		System.out.println(String.join("\t", columns));
	}
}
