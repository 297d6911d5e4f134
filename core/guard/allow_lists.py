"""What a read may consist of: plan operators, procedures, functions. Whatever is not on a list is refused.

The operators are those that Neo4j 2026.09 can put into a plan and that only read data of the graph, by their names in
EXPLAIN, and those of 5.26 with other names. Sources: the operator reference,
https://neo4j.com/docs/cypher-manual/current/planning-and-tuning/operators/ , and the names in the server's own plan
descriptions. Left out on purpose, besides everything that writes: LoadCSV (reads files and addresses), RunQueryAt
(runs elsewhere), ShowSettings, ShowTransactions, ShowDatabases and AdministrationCommand (show the server and what
others do), TerminateTransactions (ends the statements of others).
"""

from __future__ import annotations

__all__ = [
    "PLAIN_FUNCTIONS",
    "READ_FUNCTIONS",
    "READ_OPERATORS",
    "READ_PROCEDURES",
    "WRITE_OPERATORS",
    "WRITE_PROCEDURES",
]

_SCANS = """
AllNodesScan NodeByLabelScan UnionNodeByLabelsScan IntersectionNodeByLabelsScan SubtractionNodeByLabelsScan
NodeByIdSeek NodeByElementIdSeek NodeCountFromCountStore RelationshipCountFromCountStore MultiNodeIndexSeek
NodeIndexScan NodeIndexSeek NodeIndexSeekByRange NodeIndexContainsScan NodeIndexEndsWithScan
NodeUniqueIndexSeek NodeUniqueIndexSeekByRange NodeVectorIndexSearch NodeFulltextIndexSearch DynamicLabelNodeLookup
DynamicDirectedRelationshipTypeLookup DynamicUndirectedRelationshipTypeLookup
PartitionedAllNodesScan PartitionedNodeByLabelScan PartitionedUnionNodeByLabelsScan
PartitionedIntersectionNodeByLabelsScan PartitionedSubtractionNodeByLabelsScan PartitionedNodeIndexScan
PartitionedNodeIndexSeek PartitionedNodeIndexSeekByRange PartitionedUnwind
"""

_DIRECTED_AND_UNDIRECTED = """
AllRelationshipsScan RelationshipByIdSeek RelationshipByElementIdSeek RelationshipTypeScan UnionRelationshipTypesScan
RelationshipIndexScan RelationshipIndexSeek RelationshipIndexSeekByRange RelationshipIndexContainsScan
RelationshipIndexEndsWithScan RelationshipUniqueIndexSeek RelationshipUniqueIndexSeekByRange
RelationshipVectorIndexSearch RelationshipFulltextIndexSearch
"""

_EXPANSIONS = """
Expand(All) Expand(Into) OptionalExpand(All) OptionalExpand(Into) ProjectEndpoints PathPropagatingBFS
VarLengthExpand(All) VarLengthExpand(Into) VarLengthExpand(Pruning) VarLengthExpand(Pruning,BFS)
VarLengthExpand(Pruning,BFS,All) VarLengthExpand(Pruning,BFS,Into) ShortestPath AllShortestPaths
StatefulShortestPath(All) StatefulShortestPath(Into) StatefulShortestPath(All,Trail) StatefulShortestPath(Into,Trail)
StatefulShortestPath(All,Walk) StatefulShortestPath(Into,Walk) StatefulShortestPath(All,Acyclic)
StatefulShortestPath(Into,Acyclic) Repeat Repeat(Trail) Repeat(Walk) Repeat(Acyclic) BidirectionalRepeat(Trail)
BidirectionalRepeat(Walk) BidirectionalRepeat(Acyclic) Repeat(All,Trail) Repeat(Into,Trail) Repeat(All,Walk)
Repeat(Into,Walk) Repeat(All,Acyclic) Repeat(Into,Acyclic)
"""

_ROWS = """
Argument ArgumentTracker EmptyRow EmptyResult Error Input ProduceResults Projection CacheProperties
RemoteBatchProperties RemoteBatchPropertiesWithFilter Filter Optional Apply SemiApply AntiSemiApply Anti LetSemiApply
LetAntiSemiApply SelectOrSemiApply SelectOrAntiSemiApply LetSelectOrSemiApply LetSelectOrAntiSemiApply RollUpApply
ConditionalApply AntiConditionalApply CartesianProduct NodeHashJoin NodeLeftOuterHashJoin NodeRightOuterHashJoin
ValueHashJoin ValueMergeJoin TriadicSelection TriadicBuild TriadicFilter Union OrderedUnion Unwind Distinct
OrderedDistinct EagerAggregation OrderedAggregation Sort PartialSort Top PartialTop Limit ExhaustiveLimit Skip Eager
PreserveOrder NullifyMetadata
"""

_SCHEMA = "ShowIndexes ShowConstraints ShowProcedures ShowFunctions ProcedureCall"

READ_OPERATORS: frozenset[str] = frozenset(
    f"{_SCANS} {_EXPANSIONS} {_ROWS} {_SCHEMA}".split()
    + [
        prefix + direction + name
        for name in _DIRECTED_AND_UNDIRECTED.split()
        for direction in ("Directed", "Undirected")
        for prefix in ("", "Partitioned")
    ]
)
"""Operators that only read data of the graph, or its schema, by their names without spaces (2026.09 writes
``Repeat(All, Trail)``). ProcedureCall counts only with its procedure's name."""

WRITE_OPERATORS: frozenset[str] = frozenset(
    """
    AssertSameNode AssertSameRelationship AssertingMultiNodeIndexSeek AssertingMultiRelationshipIndexSeek Create Delete
    DetachDelete Foreach LockNodes LockingMerge Merge MergeInto MergeUniqueNode RemoveLabels SetDynamicProperty
    SetLabels SetNodePropertiesFromMap SetProperties SetPropertiesFromMap SetProperty
    SetRelationshipPropertiesFromMap SubqueryForeach
    """.split()
)
"""Operators that change data of the graph, within their own transaction, and do nothing else."""

WRITE_PROCEDURES: frozenset[str] = frozenset(
    """
    db.create.setNodeVectorProperty db.create.setRelationshipVectorProperty db.create.setVectorProperty
    """.split()
)
"""Procedures that a write may call in addition to those for reads."""

READ_PROCEDURES: frozenset[str] = frozenset(
    """
    db.info db.labels db.propertyKeys db.relationshipTypes db.ping dbms.components db.schema.nodeTypeProperties
    db.schema.relTypeProperties db.schema.visualization db.index.fulltext.listAvailableAnalyzers
    db.index.fulltext.queryNodes db.index.fulltext.queryRelationships db.index.vector.queryNodes
    db.index.vector.queryRelationships
    """.split()
)
"""Procedures that a read may call by default."""

READ_FUNCTIONS: frozenset[str] = frozenset(
    """
    coll.distinct coll.flatten coll.indexOf coll.insert coll.max coll.min coll.remove coll.sort date.realtime
    date.statement date.transaction date.truncate datetime.fromepoch datetime.fromepochmillis datetime.realtime
    datetime.statement datetime.transaction datetime.truncate duration.between duration.inDays duration.inMonths
    duration.inSeconds localdatetime.realtime localdatetime.statement localdatetime.transaction
    localdatetime.truncate localtime.realtime localtime.statement localtime.transaction localtime.truncate
    point.distance point.withinBBox string.indexOf string.join string.regexReplace time.realtime time.statement
    time.transaction time.truncate uuid.leastSignificantBits uuid.mostSignificantBits vector.similarity.cosine
    vector.similarity.euclidean
    """.split()
)
"""Built-in functions with a namespace. Those without one need no list: the database lets no plugin define such a
function. ``graph.byName`` and ``graph.byElementId`` are left out: they lead to other graphs."""

PLAIN_FUNCTIONS: frozenset[str] = frozenset(
    """
    abs acos asin atan atan2 avg btrim ceil char_length character_length coalesce cos cot date datetime degrees
    duration e elementid endnode exp floor haversin head id isempty isnan keys labels last left length localdatetime
    localtime log log10 lower ltrim max min nodes normalize nullif percentilecont percentiledisc pi point properties
    radians rand randomuuid range relationships replace reverse right round rtrim sign sin size split sqrt stdev stdevp
    startnode substring sum tail tan time timestamp toboolean tobooleanlist tobooleanornull tofloat tofloatlist
    tofloatornull tointeger tointegerlist tointegerornull tolower tostring tostringlist tostringornull toupper trim type
    upper valuetype
    """.split()
)
"""Built-in functions without a namespace, in lower case, that say nothing but of their arguments: those that
``SHOW BUILT IN FUNCTIONS`` lists on 2026.09, without ``file`` and ``linenumber``, which tell of LOAD CSV."""
