"""Every text of the app, in English and Spanish. A text missing in one language is a type error."""

from dataclasses import dataclass

from rag.types import Language


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts with holes ({n}) are filled with `.format`; both languages have the same holes."""

    # navigation and what every page shows
    nav_ask: str
    nav_library: str
    nav_inspect: str
    nav_tasks: str
    nav_evaluate: str
    nav_models: str
    nav_settings: str
    tagline: str
    private: str
    private_help: str
    leaves: str
    leaves_help: str
    leaves_to: str
    leaves_if_asked: str
    leaves_if_asked_help: str
    documents_one: str
    documents_many: str
    answers_by: str
    extractive: str
    next_step: str

    # Ask
    ask_title: str
    ask_lead: str
    ask_placeholder: str
    ask_empty_library: str
    ask_not_indexed: str
    ask_open_library: str
    ask_try: str
    ask_reading: str
    ask_searching: str
    ask_stop: str
    ask_stopped: str
    ask_thought: str
    ask_understood: str
    ask_new: str
    ask_options: str
    ask_within: str
    ask_within_all: str
    ask_within_help: str
    ask_k: str
    ask_k_help: str
    ask_all_sources: str
    ask_some_sources: str
    ask_passages: str
    ask_sources: str
    ask_open: str
    ask_copies: str
    ask_nearest: str
    ask_missing: str
    ask_conflict: str
    ask_abstain: str
    ask_abstain_help: str
    ask_strict: str
    ask_balanced: str
    ask_helpful: str
    ask_abstained: str
    ask_unsupported: str
    ask_recognised: str
    ask_hides: str
    ask_unsupported_sentence: str
    ask_partly: str
    ask_invented: str
    ask_timing: str
    reader_page: str
    reader_pages: str
    reader_whole: str
    reader_passage: str
    reader_close: str
    reader_image: str
    since_edited: str
    since_changed: str
    since_moved: str
    since_gone: str
    reader_then: str
    rate_why: str
    rate_keep_example: str
    rate_kept_example: str
    ask_unkept: str

    # conversations
    talks: str
    talks_find: str
    talks_none: str
    talks_more: str
    talks_when: str
    talks_options: str
    talks_title: str
    talks_export: str
    talks_delete: str
    talks_delete_help: str

    # which documents to look in
    filter_types: str
    filter_languages: str
    filter_any: str
    filter_since: str
    filter_until: str
    filter_dates_help: str
    filter_words: str
    type_pdf: str
    type_office: str
    type_document: str
    type_table: str
    type_slides: str
    type_mail: str
    type_image: str
    type_note: str
    type_text: str
    type_web: str
    type_book: str
    type_markup: str
    type_code: str
    type_data: str
    type_archive: str
    language_en: str
    language_es: str

    # Inspect
    inspect_title: str
    inspect_lead: str
    inspect_question: str
    inspect_words: str
    inspect_word: str
    inspect_hits: str
    inspect_dropped: str
    inspect_hit: str
    inspect_other: str
    inspect_score: str
    inspect_lexical: str
    inspect_dense: str
    inspect_fused: str
    inspect_rank: str
    inspect_not_found: str
    inspect_distribution: str
    inspect_sides: str
    inspect_same: str
    inspect_steps: str
    feature_bm25: str
    feature_bm25_over_the_best: str
    feature_cosine: str
    feature_cosine_over_the_best: str
    feature_words_with_headings: str
    feature_words_with_what_stands_before: str
    feature_best_sentence: str
    feature_best_two_sentences: str
    feature_words_side_by_side: str
    feature_words_near_each_other: str
    feature_exact_forms: str
    feature_another_language: str
    feature_source_in_question: str
    feature_neighbours: str
    feature_mentioned: str
    feature_cross_encoder: str
    step_terms: str
    step_filter: str
    step_embed: str
    step_lexical: str
    step_dense: str
    step_sources: str
    step_complete: str
    step_fuse: str
    step_collapse: str
    step_rerank: str
    inspect_queries: str
    inspect_rerankers: str
    inspect_measured: str
    reranker_helps: str
    reranker_set: str
    reranker_unmeasured: str
    reranker_no_gain: str
    reranker_slow: str
    reranker_not_set: str
    reason_filtered: str
    reason_duplicate: str
    reason_beyond: str

    # Library
    library_title: str
    library_lead: str
    library_drop: str
    library_drop_choose: str
    library_drop_help: str
    library_stored: str
    library_known: str
    library_renamed: str
    library_folders: str
    library_folders_lead: str
    library_folder_path: str
    library_folder_add: str
    library_folder_remove: str
    library_own_folder: str
    library_index: str
    library_indexing: str
    library_scanning: str
    library_files_of: str
    library_rate: str
    library_left: str
    library_done: str
    library_unchanged: str
    library_watching: str
    library_polled: str
    library_last_change: str
    library_watch_problem: str
    library_held: str
    library_held_remove: str
    library_partly: str
    library_recognising: str
    library_hides: str
    library_hidden: str
    library_hidden_lead: str
    library_hidden_how: str
    library_hidden_begins: str
    library_characters: str
    hidden_invisible: str
    hidden_colour: str
    hidden_tiny: str
    hidden_outside: str
    hidden_characters: str
    hidden_part: str
    hidden_comment: str
    library_locked: str
    library_locked_which: str
    library_locked_password: str
    library_locked_open: str
    library_locked_not_kept: str
    library_skipped: str
    library_failed: str
    library_files: str
    library_passages: str
    library_attention: str
    library_filter: str
    library_filter_all: str
    library_filter_good: str
    library_filter_bad: str
    library_find: str
    library_empty: str
    library_none_match: str
    library_column_file: str
    library_column_status: str
    library_column_reason: str
    library_column_pages: str
    library_column_passages: str
    library_column_indexed: str
    status_indexed: str
    status_empty: str
    status_needs_ocr: str
    status_encrypted: str
    status_unsupported: str
    status_too_large: str
    status_failed: str

    # Evaluate
    evaluate_title: str
    evaluate_lead: str
    evaluate_questions: str
    evaluate_own: str
    evaluate_own_lead: str
    evaluate_file: str
    evaluate_drafts: str
    evaluate_drafts_lead: str
    evaluate_how_many: str
    evaluate_draft: str
    evaluate_drafting: str
    evaluate_no_drafts: str
    evaluate_save_drafts: str
    evaluate_samples: str
    evaluate_samples_lead: str
    evaluate_rated: str
    evaluate_rated_lead: str
    evaluate_no_ratings: str
    evaluate_rating: str
    evaluate_good: str
    evaluate_bad: str
    evaluate_reason: str
    evaluate_asked: str
    evaluate_measure: str
    evaluate_measure_help: str
    evaluate_k: str
    evaluate_answers: str
    evaluate_answers_help: str
    evaluate_model: str
    evaluate_start: str
    evaluate_start_none: str
    evaluate_progress: str
    evaluate_look: str
    evaluate_look_choose: str
    evaluate_save_report: str
    evaluate_save_json: str

    # Tasks
    tasks_title: str
    tasks_lead: str
    tasks_kind: str
    tasks_summarise: str
    tasks_summarise_lead: str
    tasks_compare: str
    tasks_compare_lead: str
    tasks_tabulate: str
    tasks_tabulate_lead: str
    tasks_draft: str
    tasks_draft_lead: str
    tasks_within: str
    tasks_first: str
    tasks_second: str
    tasks_file: str
    tasks_columns: str
    tasks_columns_help: str
    tasks_topic: str
    tasks_sections: str
    tasks_sections_help: str
    tasks_model: str
    tasks_voice: str
    tasks_voice_help: str
    tasks_language: str
    tasks_language_documents: str
    tasks_start: str
    tasks_go_on: str
    tasks_stopped: str
    tasks_stopping: str
    tasks_progress: str
    tasks_more: str
    tasks_done: str
    tasks_save: str
    tasks_save_csv: str

    # Profiles, and Compare
    profile: str
    profile_none: str
    profiles: str
    profiles_lead: str
    profile_new: str
    profile_name: str
    profile_as_set: str
    profile_default: str
    profile_deeper: str
    profile_deeper_help: str
    profile_delete: str
    profile_known: str
    profile_saved: str
    profile_deleted: str
    ask_deeper: str
    nav_compare: str
    compare_title: str
    compare_lead: str
    compare_alone: str
    compare_first: str
    compare_second: str
    compare_profile: str
    compare_question: str
    compare_ask: str
    compare_waits: str
    compare_unkept: str
    compare_better: str
    compare_alike: str
    compare_back: str
    compare_model: str
    compare_speed: str
    compare_seconds: str
    compare_read: str
    compare_tokens: str
    compare_sentences: str
    compare_parameters: str
    verdict_supported: str
    verdict_partly: str
    verdict_unsupported: str
    compare_record: str
    compare_record_lead: str
    compare_name: str
    compare_preferred: str
    compare_questions: str
    compare_per_second: str
    compare_abstained: str
    compare_supported: str
    compare_look: str
    compare_choose: str
    compare_show: str
    compare_open: str

    # Models
    models_title: str
    models_lead: str
    models_now: str
    models_extractive: str
    models_list: str
    models_use: str
    models_remove: str
    models_remove_kept: str
    models_remove_deleted: str
    models_remove_sure: str
    models_active: str
    models_add: str
    models_add_lead: str
    models_path: str
    models_add_button: str
    models_adapter: str
    models_adapter_for: str
    models_adapter_help: str
    models_no_adapter: str
    models_added: str
    models_parameters: str
    models_context: str
    models_runtime: str
    models_memory: str
    runtime_change: str
    runtime_lead: str
    runtime_threads: str
    runtime_layers: str
    runtime_batch: str
    runtime_cache: str
    runtime_flash: str
    runtime_auto: str
    runtime_saved: str
    embedders_title: str
    embedders_lead: str
    embedders_set: str
    embedders_chosen: str
    fetch_quantisation: str
    fetch_embedder: str
    fetch_embedder_here: str
    doctor_title: str
    doctor_lead: str
    doctor_look: str
    doctor_looking: str
    doctor_processor: str
    doctor_cores: str
    doctor_memory: str
    doctor_graphics: str
    doctor_no_card: str
    doctor_disk: str
    doctor_free: str
    doctor_speed: str
    doctor_read: str
    doctor_writes: str
    doctor_card_speed: str
    doctor_not_loading: str
    doctor_sound: str
    live_speed: str
    live_model: str
    live_free: str
    live_title: str
    live_machine: str
    live_takes: str
    live_answering: str
    models_served: str
    models_a_server: str
    models_elsewhere: str
    servers_title: str
    servers_lead: str
    servers_look: str
    servers_none: str
    servers_url: str
    servers_model: str
    servers_model_help: str
    servers_key: str
    servers_key_help: str
    servers_consent: str
    servers_refused: str
    models_found: str
    models_found_lead: str
    models_found_use: str
    fetch_title: str
    fetch_lead: str
    fetch_show: str
    fetch_model: str
    fetch_best: str
    fetch_many: str
    fetch_memory: str
    fetch_alone: str
    fetch_too_large: str
    fetch_no_hash: str
    fetch_here: str
    fetch_go: str
    fetch_go_on: str
    fetch_progress: str
    fetch_checking: str
    fetch_stopped: str
    on: str
    off: str
    models_reranker: str

    # Settings
    settings_title: str
    settings_lead: str
    settings_language: str
    settings_language_auto: str
    settings_answers: str
    settings_k: str
    settings_max_tokens: str
    settings_context: str
    settings_temperature: str
    settings_voice: str
    settings_voice_lead: str
    settings_persona: str
    settings_persona_example: str
    settings_instructions: str
    settings_instructions_lead: str
    settings_folder: str
    settings_instruction: str
    settings_examples: str
    voice_tone: str
    voice_length: str
    voice_language: str
    tone_neutral: str
    tone_formal: str
    tone_plain: str
    tone_technical: str
    tone_friendly: str
    length_short: str
    length_middle: str
    length_long: str
    voice_language_question: str
    settings_reading: str
    settings_max_file: str
    settings_seconds: str
    settings_memory: str
    settings_save: str
    settings_saved: str
    settings_restart: str
    settings_fixed: str
    settings_home: str
    settings_file: str
    settings_library: str
    settings_index: str
    settings_embedder: str
    settings_version: str
    settings_all: str
    settings_healthy: str
    settings_history: str
    settings_history_help: str
    settings_forget: str
    settings_forget_sure: str
    settings_forgotten: str

    def documents(self, n: int) -> str:
        return self.documents_one if n == 1 else self.documents_many.format(n=f"{n:,}")

    def type(self, family: str) -> str:
        """The name of a family of ingest.types.TYPE_FAMILIES."""
        name: str = getattr(self, f"type_{family}")
        return name

    def language(self, code: str) -> str:
        """The name of a language; its code where that has no name here."""
        name: str = getattr(self, f"language_{code}", code)
        return name

    def feature(self, name: str) -> str:
        """The name of a sign that reranking adds to a score; as it is where that has no name here."""
        text: str = getattr(self, f"feature_{name.replace(' ', '_').replace('-', '_')}", name)
        return text

    def step(self, name: str) -> str:
        """The name of a step of a search; as it is where that has no name here."""
        text: str = getattr(self, f"step_{name}", name)
        return text

    def reranker(self, reason: str) -> str:
        """Why a reranker works or does not (rag.types.RerankerReason)."""
        text: str = getattr(self, f"reranker_{reason.replace('-', '_')}")
        return text

    def reason(self, reason: str) -> str:
        """Why a candidate is no hit (rag.types.Dropped)."""
        name: str = getattr(self, f"reason_{reason}")
        return name

    def since(self, since: str, now: str = "") -> str:
        """What has become of a cited file (rag.types.Since); '' where it is the same."""
        return "" if since == "same" else str(getattr(self, f"since_{since}")).format(now=now)

    def hidden(self, kind: str) -> str:
        """How text is hidden (ingest.types.HiddenKind)."""
        name: str = getattr(self, f"hidden_{kind}")
        return name

    def status(self, status: str) -> str:
        """The name of a source's status, as a person reads it."""
        name: str = getattr(self, "status_" + status.replace("-", "_"))
        return name


ENGLISH = Texts(
    nav_ask="Ask",
    nav_library="Library",
    nav_inspect="Inspect",
    nav_tasks="Tasks",
    nav_evaluate="Evaluate",
    nav_models="Models",
    nav_settings="Settings",
    tagline="Answers from your own documents",
    leaves="Questions and passages are sent to {host}, not this computer",
    leaves_help="The model that answers is on another machine, as you agreed when you added its server. Use another "
    "model on the page Models to end this.",
    leaves_to="Sent to {host}",
    leaves_if_asked="Nothing leaves, unless you ask {host}",
    leaves_if_asked_help="You added a model on another machine. Nothing is sent there before you choose that model, a "
    "profile with it, or compare it with others.",
    private="Stays on this computer",
    private_help="Your files, questions and answers never leave this machine. The app talks to nothing but itself.",
    documents_one="1 document",
    documents_many="{n} documents",
    answers_by="Answers by {model}",
    extractive="quotation",
    next_step="Next step:",
    ask_title="What would you like to know?",
    ask_lead="Ask about your documents. Every answer shows the passage it comes from.",
    ask_placeholder="Ask your documents",
    ask_empty_library="Your library is empty. Add a few files and come back with a question.",
    ask_not_indexed="Your files are not indexed yet. Index them and come back with a question.",
    ask_open_library="Open the library",
    ask_try="Try one of these",
    ask_reading="Reading the passages",
    ask_searching="Searching your documents",
    ask_stop="Stop",
    ask_understood="Understood as: {question}",
    ask_stopped="Stopped. The answer is incomplete and its citations were not checked.",
    ask_thought="What the model thought first (no part of the answer, not checked)",
    ask_new="New chat",
    ask_options="Search options",
    ask_within="Where to look",
    ask_within_all="All documents",
    ask_within_help="Folders, #tags or files. Empty means everywhere.",
    ask_k="Passages to read",
    ask_k_help="More passages find more and take longer.",
    ask_all_sources="All documents",
    ask_some_sources="{n} chosen",
    ask_passages="{k} passages",
    ask_sources="Sources",
    ask_open="Open",
    ask_copies="The same in {places}",
    ask_nearest="The nearest passages, in case they help",
    ask_missing="Nothing found speaks of: {words}. Add a document that does, or ask in its words.",
    ask_conflict="The sources disagree",
    ask_abstain="When in doubt",
    ask_abstain_help="Strict says nothing unless little speaks against it; helpful answers where it may be there.",
    ask_strict="Strict",
    ask_balanced="Balanced",
    ask_helpful="Helpful",
    ask_abstained="No passage answers this question.",
    ask_unsupported="Not confirmed: this quote does not carry the claim",
    ask_recognised="Recognised from a picture, {percent} % sure",
    ask_hides="The file has hidden text",
    ask_unsupported_sentence="Not confirmed by a passage",
    ask_partly="Only partly confirmed",
    ask_invented="{n} citation(s) that pointed to no passage were removed.",
    ask_timing="{model} · {seconds} s",
    reader_page="page {page}",
    reader_pages="pages {page}–{page_to}",
    reader_whole="no page numbers",
    reader_passage="The passage",
    reader_close="Close",
    reader_image="Page {page} of {file}, the quote highlighted",
    since_edited="The file has changed since; the passage still stands in it",
    since_changed="The file has changed since, and the passage no longer stands in it",
    since_moved="The file is at {now} now",
    since_gone="The file is no longer there",
    reader_then="As it was when it was cited",
    rate_why="Why?",
    rate_keep_example="Keep as an example",
    rate_kept_example="Kept as an example",
    ask_unkept="This answer could not be kept: {problem}",
    talks="Conversations",
    talks_find="Find in conversations",
    talks_none="None has these words.",
    talks_more="Show more",
    talks_when="{n} questions, the last on {day}",
    talks_options="Rename, export or delete",
    talks_title="Title",
    talks_export="Export",
    talks_delete="Delete",
    talks_delete_help="At once and for good, with its ratings.",
    filter_types="Kind of file",
    filter_languages="Language",
    filter_any="Any",
    filter_since="Since",
    filter_until="Until",
    filter_dates_help="A year, month or day, both included: 2024, 2024-05 or 2024-05-17. It is the document's own date,"
    " or else its file's.",
    filter_words='Or in the question itself: in:contracts type:pdf tag:work lang:es since:2024 "exact words"',
    type_pdf="PDF",
    type_office="Office files",
    type_document="Word and other text documents",
    type_table="Spreadsheets and tables",
    type_slides="Slides",
    type_mail="Mail",
    type_image="Pictures",
    type_note="Notes",
    type_text="Plain text",
    type_web="Web pages",
    type_book="Books",
    type_markup="Markup",
    type_code="Code",
    type_data="Data",
    type_archive="Archives",
    language_en="English",
    language_es="Spanish",
    inspect_title="Look into a search",
    inspect_lead="What a question finds, why each passage stands where it does, and what was dropped.",
    inspect_question="Question",
    inspect_words="Words of the question",
    inspect_word="passages with it: {n} · weight {weight}",
    inspect_hits="Found: {n} of {of} candidates",
    inspect_dropped="Dropped",
    inspect_hit="Shown",
    inspect_other="Dropped",
    inspect_score="Score",
    inspect_lexical="Words (BM25)",
    inspect_dense="Meaning (cosine)",
    inspect_fused="Both together",
    inspect_rank="rank {rank}",
    inspect_not_found="not found by this side",
    inspect_distribution="How the candidates' scores are distributed",
    inspect_sides="What each candidate's words and meaning scored",
    inspect_same="Says the same as passage {n}",
    inspect_steps="{seconds} s: {steps}",
    feature_bm25="words (BM25)",
    feature_bm25_over_the_best="words, over the best",
    feature_cosine="meaning (cosine)",
    feature_cosine_over_the_best="meaning, over the best",
    feature_words_with_headings="words, headings included",
    feature_words_with_what_stands_before="words, with what stands before",
    feature_best_sentence="words in the best sentence",
    feature_best_two_sentences="words in the best two sentences",
    feature_words_side_by_side="words side by side",
    feature_words_near_each_other="words near each other",
    feature_exact_forms="words in the very same form",
    feature_another_language="in another language",
    feature_source_in_question="question names the source",
    feature_neighbours="good neighbours",
    feature_mentioned="mentioned by a better passage",
    feature_cross_encoder="reranker",
    step_terms="words",
    step_filter="filters",
    step_embed="embed the question",
    step_lexical="search by words",
    step_dense="search by meaning",
    step_sources="named sources",
    step_complete="complete scores",
    step_fuse="combine",
    step_collapse="near-duplicates",
    step_rerank="rerank",
    inspect_queries="Searched for too: {queries}",
    inspect_rerankers="Rerankers",
    inspect_measured="{reason}: MRR@10 {before} without, {after} with it (p {p}, {n} questions), {ms} ms a search",
    reranker_helps="On, as it helps",
    reranker_set="On, as rerank.model names it",
    reranker_unmeasured="Off until it is measured whether it helps: on the page Evaluate, or by cita eval FILE",
    reranker_no_gain="Off, as it does not help by more than chance",
    reranker_slow="Off, as it helps but takes longer than rerank.seconds allows",
    reranker_not_set="Off, as rerank.model says so",
    reason_filtered="Kept out by the filters only",
    reason_duplicate="Says the same as a passage above",
    reason_beyond="Others are better",
    library_title="Library",
    library_lead="The files that Cita reads. They are copied or read in place, never uploaded anywhere.",
    library_drop="Drop files here",
    library_drop_choose="Choose files",
    library_drop_help="Copied into your library and indexed at once. At most {mb} MB each.",
    library_stored="{n} added to your library.",
    library_known="Already in your library: {names}.",
    library_renamed="{name} was kept as {stored}: another file has that name.",
    library_folders="Folders",
    library_folders_lead="Read in place. Nothing in them is changed; removing one only takes it out of the index.",
    library_folder_path="Path of a folder on this computer",
    library_folder_add="Add folder",
    library_folder_remove="Remove",
    library_own_folder="Your library, always indexed",
    library_index="Index now",
    library_indexing="Indexing",
    library_scanning="Looking for changes",
    library_files_of="{done} of {files} files",
    library_rate="{rate} passages/s",
    library_left="{time} left",
    library_done="Index up to date: {added} added, {changed} changed, {removed} removed, in {seconds} s.",
    library_unchanged="Index up to date: there was nothing more to do.",
    library_watching="Watching your folders: what changes is indexed by itself",
    library_polled="without file events, looked at now and then: {folders}",
    library_last_change="last change at {time}: {added} added, {changed} changed, {renamed} moved, {removed} removed",
    library_watch_problem="Your folders could not be indexed just now: {problem} Cita tries again by itself.",
    library_held="{folder} suddenly lacks most of its files. What it held is still in the index and is answered from. "
    "Connect its disk; or, if the files are really gone, remove them from the index.",
    library_held_remove="Remove them from the index",
    library_partly="{n} read in part",
    library_recognising="text recognition, page {page} of {pages}",
    library_hides="Hidden text",
    library_hidden="With hidden text: {n}",
    library_hidden_lead="Text that a person who reads the document does not see; someone may have put it there for "
    "programs. No answer quotes it. Only hidden sheets, rows, columns and slides are read like the rest.",
    library_hidden_how="Hidden",
    library_hidden_begins="Begins",
    library_characters="Characters",
    hidden_invisible="by its style",
    hidden_colour="in the colour behind it",
    hidden_tiny="too small to read",
    hidden_outside="outside the page",
    hidden_characters="in invisible characters",
    hidden_part="sheet, row, column or slide",
    hidden_comment="comment",
    library_locked="Protected by a password: {n}",
    library_locked_which="Document",
    library_locked_password="Password",
    library_locked_open="Open",
    library_locked_not_kept="This system has no keyring that keeps the password. The text stays in the index; after a "
    "change of the file the password is asked for again.",
    library_skipped="{n} skipped",
    library_failed="{n} failed",
    library_files="Files",
    library_passages="Passages",
    library_attention="Need attention",
    library_filter="Show",
    library_filter_all="All",
    library_filter_good="Indexed",
    library_filter_bad="Need attention",
    library_find="Find by name",
    library_empty="No files yet. Drop some above, or add a folder.",
    library_none_match="No file matches.",
    library_column_file="File",
    library_column_status="Status",
    library_column_reason="Reason",
    library_column_pages="Pages",
    library_column_passages="Passages",
    library_column_indexed="Indexed",
    status_indexed="Indexed",
    status_empty="Empty",
    status_needs_ocr="Needs OCR",
    status_encrypted="Password",
    status_unsupported="Unsupported",
    status_too_large="Too large",
    status_failed="Failed",
    evaluate_title="How good are the answers?",
    evaluate_lead="Ask questions whose answers you know, and see how often Cita finds them and where it fails.",
    evaluate_questions="Questions",
    evaluate_own="My own file",
    evaluate_own_lead="A text file with one question a line, each a JSON object. Only the question is needed; answers, "
    "file and page say what should be found. For a question that the documents don't answer: "
    '"unanswerable": true.',
    evaluate_file="Question file",
    evaluate_drafts="Drafted from my documents",
    evaluate_drafts_lead="Drafts use the documents' own words, so they are found more easily than real questions. Save "
    "them, put them in your own words, and choose them as your own file.",
    evaluate_how_many="How many",
    evaluate_draft="Draft questions",
    evaluate_drafting="Reading the documents",
    evaluate_no_drafts="The documents suggest no question. Write a few of your own.",
    evaluate_save_drafts="Save the drafts",
    evaluate_samples="The samples' questions",
    evaluate_samples_lead="Questions about the sample documents that come with Cita.",
    evaluate_rated="Answers I rated",
    evaluate_rated_lead="The good ones are asked again: does Cita still answer so, and cite the same places? The bad "
    "ones are listed with your reasons.",
    evaluate_no_ratings="No answer is rated yet. The thumbs are below each answer on the page Ask.",
    evaluate_rating="Rating",
    evaluate_good="good",
    evaluate_bad="bad",
    evaluate_reason="Why",
    evaluate_asked="Asked on",
    evaluate_measure="Measure the rerankers",
    evaluate_measure_help="Searches these questions with and without each. One that helps by more than chance and is "
    "fast enough works from then on. Needs questions that name answers or files.",
    evaluate_k="Passages to look at",
    evaluate_answers="Also answer each question",
    evaluate_answers_help="Takes longer with a model that writes.",
    evaluate_model="Answers by",
    evaluate_start="Ask {n} questions",
    evaluate_start_none="Choose questions first",
    evaluate_progress="{done} of {total} questions",
    evaluate_look="Look at one",
    evaluate_look_choose="Choose a question",
    evaluate_save_report="Save the report",
    evaluate_save_json="Save everything (JSON)",
    tasks_title="What shall I make of your documents?",
    tasks_lead="Each sentence and cell says where it comes from. What takes long can be stopped, and goes on later.",
    tasks_kind="Task",
    tasks_summarise="Summarise",
    tasks_summarise_lead="The main points of files or folders: of each, and of all together.",
    tasks_compare="Compare",
    tasks_compare_lead="What changed between two documents, what only one of them says, and what is the same.",
    tasks_tabulate="Table",
    tasks_tabulate_lead="A row for each document, and in each cell what it says of the column.",
    tasks_draft="Draft",
    tasks_draft_lead="What your documents have on a topic, in sections.",
    tasks_within="Choose folders, #tags or files",
    tasks_first="First document",
    tasks_second="Second document",
    tasks_file="Choose a file",
    tasks_columns="Columns, one a line",
    tasks_columns_help="A name, or a name and a question: Notice=How long is the notice period?",
    tasks_topic="Topic",
    tasks_sections="Sections, one a line",
    tasks_sections_help="Empty: the headings under which your documents say most of it.",
    tasks_model="Written by",
    tasks_voice="How it is said",
    tasks_voice_help="A model heeds all of it; without one only the length counts, and the headings' language.",
    tasks_language="Language",
    tasks_language_documents="The documents'",
    tasks_start="Start",
    tasks_go_on="Go on",
    tasks_stopped="Stopped. What is done is kept: start the same again and it goes on from there.",
    tasks_stopping="Stopping",
    tasks_progress="{done} of {total} parts",
    tasks_more="And {n} more; the file that you can save has them all.",
    tasks_done="{model} · parts: {parts}, done before: {reused} · {seconds} s",
    tasks_save="Save as Markdown",
    tasks_save_csv="Save as CSV",
    profile="Profile",
    profile_none="No profile",
    profiles="Profiles",
    profiles_lead="Ways to answer under a name: a quick one for simple questions, a deeper one on demand. What a"
    " profile leaves empty is as it is set above. It counts at once.",
    profile_new="New profile",
    profile_name="Name",
    profile_as_set="As set",
    profile_default="Answers by itself",
    profile_deeper="Offered below an answer",
    profile_deeper_help="A button below each answer asks the same question by this profile.",
    profile_delete="Delete",
    profile_known="There is a profile {name} already.",
    profile_saved="Saved: {name}.",
    profile_deleted="Deleted: {name}.",
    ask_deeper="Answer again by {profile}",
    nav_compare="Compare",
    compare_title="Side by side",
    compare_lead="One question to two models or profiles, from the same passages. One answers after the other, so that"
    " neither takes the other's time.",
    compare_alone="Only one can answer yet. Add a model on the page Models, or a profile on the page Settings.",
    compare_first="First",
    compare_second="Second",
    compare_profile="{name} (profile)",
    compare_question="Question",
    compare_ask="Ask both",
    compare_waits="Waits for the first",
    compare_unkept="This comparison could not be kept: {problem}",
    compare_better="This one is better",
    compare_alike="Both alike",
    compare_back="Click again to take it back",
    compare_model="Model",
    compare_speed="Speed",
    compare_seconds="Time",
    compare_read="Tokens",
    compare_tokens="{prompt} read ({reused} known from before), {written} written",
    compare_sentences="Sentences",
    compare_parameters="Ran with",
    verdict_supported="confirmed",
    verdict_partly="partly",
    verdict_unsupported="not",
    compare_record="So far",
    compare_record_lead="All comparisons together. They stay on this computer; with the conversations they are"
    " forgotten.",
    compare_name="Answers by",
    compare_preferred="Better",
    compare_questions="Questions",
    compare_per_second="Tokens/s",
    compare_abstained="Abstained",
    compare_supported="Sentences confirmed",
    compare_look="Earlier comparisons",
    compare_choose="Choose one",
    compare_show="Show",
    compare_open="Compare two side by side",
    models_title="Models",
    models_lead="What writes the answers. Models run on this computer, unless you add a server elsewhere.",
    models_now="Answers now",
    models_extractive="Quotes the sentences of your documents that answer the question. Needs no model file, works at "
    "once, and cannot make anything up.",
    models_list="Your models",
    models_use="Use",
    models_remove="Remove this model",
    models_remove_kept="Cita forgets it. Nothing of it is deleted.",
    models_remove_deleted="Its file is deleted: {path}",
    models_remove_sure="Remove",
    models_active="In use",
    models_add="Add a model",
    models_add_lead="Any GGUF file on this computer, or folder of Transformers with safetensors. It stays "
    "where it lies.",
    models_path="Path of a .gguf file or a folder",
    models_add_button="Add model",
    models_adapter="with {name}, weight {scale}",
    models_adapter_for="Adapter for",
    models_adapter_help="A LoRA adapter (GGUF) works with the model that it was made for: both together are a model of"
    " their own.",
    models_no_adapter="It is a model",
    models_added="{name} was added.",
    models_parameters="{n} parameters",
    models_context="reads {n} tokens",
    on="on",
    off="off",
    models_runtime=(
        "Runs here with {threads} threads, {layers} layers on the graphics card, {context} tokens of context in batches"
        " of {batch}, cache {cache}, flash attention {flash}."
    ),
    models_memory="It takes {size} of memory.",
    runtime_change="How it runs",
    runtime_lead="What is left to Cita suits this computer and this model. It counts when Cita starts next.",
    runtime_threads="Threads (0: one a core)",
    runtime_layers="Layers on the graphics card (-1: all that fit)",
    runtime_batch="Batch, in tokens (0: chosen)",
    runtime_cache="Kind of the cache",
    runtime_flash="Flash attention",
    runtime_auto="chosen",
    runtime_saved="Saved. The line above shows how it will run when Cita starts next.",
    embedders_title="What finds passages",
    embedders_lead="An embedder. With another one all files are read anew; until that is done the old one answers.",
    embedders_set="In use",
    embedders_chosen="Saved. When Cita starts next, the index is made anew with it; until that is done the old one"
    " answers.",
    fetch_quantisation="Quantisation",
    fetch_embedder="finds passages",
    fetch_embedder_here="{name} is here. Choose it below, under what finds passages.",
    doctor_title="This computer",
    doctor_lead="What it can run, what would make answers come sooner, and what is wrong.",
    doctor_look="Look at this computer",
    doctor_looking="Loading each runtime, measuring the memory…",
    doctor_processor="Processor",
    doctor_cores="{name}, {n} cores",
    doctor_memory="Memory",
    doctor_graphics="Graphics card",
    doctor_no_card="none with memory of its own",
    doctor_disk="Disk",
    doctor_free="{size} free",
    doctor_speed="Speed",
    doctor_read="memory is read at {n} GB/s",
    doctor_writes="{name} writes about {n} tokens a second",
    doctor_card_speed="that of the graphics card",
    doctor_not_loading="does not load: {why}",
    doctor_sound="Nothing is wrong.",
    live_speed="{n} tokens a second",
    live_model="{name} takes {size} of memory",
    live_free="{free} of {whole} are free",
    live_title="In memory now",
    live_machine="This computer",
    live_takes="takes {size}",
    live_answering="writing",
    models_served="served by {program}",
    models_a_server="a server",
    models_elsewhere="on {host}, not this computer",
    servers_title="Your own server",
    servers_lead="Models that Ollama, LM Studio, llama-server, vLLM or another program serves on this computer.",
    servers_look="Look for running servers",
    servers_none="None runs where such programs usually listen.",
    servers_url="Address of a server",
    servers_model="Model (all)",
    servers_model_help="As the server calls it. Left empty, all of its models are added.",
    servers_key="Key (none)",
    servers_key_help="It is kept in a file of its own that only you can read, and sent to this server alone.",
    servers_consent="The server may be on another machine: my questions, and the passages of my documents that are to "
    "answer them, will then be sent there.",
    servers_refused="{host} is not this computer, so it was not spoken to. If your questions and passages may go "
    "there, tick the box.",
    models_found="Found on this computer",
    models_found_lead="Models that other programs keep. They are used where they lie, not copied.",
    models_found_use="Use this",
    fetch_title="Fetch a model",
    fetch_lead="From its hub on the internet. Nothing else is fetched, and only when you press the button.",
    fetch_show="Show what suits this computer",
    fetch_model="Model",
    fetch_best="recommended here",
    fetch_many="dozens of languages",
    fetch_memory="takes about {size} of memory",
    fetch_alone="fits only when other programs are closed",
    fetch_too_large="too large for this computer",
    fetch_no_hash="Its checksum is not known beforehand: what comes is checked against what the hub itself says.",
    fetch_here="It is here already.",
    fetch_go="Go online and fetch {size} from {host}",
    fetch_go_on="Go online and fetch the rest of {size} from {host}",
    fetch_progress="{name}: {done} of {total}",
    fetch_checking="Checking {name}: {done} of {total}",
    fetch_stopped="Stopped. What came of {name} is kept: fetch it again and it goes on from there.",
    models_reranker="ranks passages, writes no answers",
    settings_title="Settings",
    settings_lead="Kept in cita.toml in your home folder.",
    settings_language="Language of the app",
    settings_language_auto="As the browser",
    settings_answers="Answers",
    settings_k="Passages to read",
    settings_max_tokens="Longest answer, in tokens",
    settings_context="The model's window, in tokens",
    settings_temperature="Temperature (0 gives the same answer every time)",
    settings_voice="Voice",
    settings_voice_lead="How answers are said. A model heeds all of it; without one only length and language count."
    " What an answer may say, and that it cites, stays the same.",
    settings_persona="Who speaks",
    settings_persona_example="the librarian of a law firm",
    settings_instructions="Instructions for folders",
    settings_instructions_lead="A model is told them when passages of the folder are before it; / is every folder."
    " Empty one to remove it; a new line comes after saving.",
    settings_folder="Folder",
    settings_instruction="What to heed",
    settings_examples="Examples shown to a model, at most",
    voice_tone="Tone",
    voice_length="Length",
    voice_language="Language of answers",
    tone_neutral="Neutral",
    tone_formal="Formal",
    tone_plain="Plain",
    tone_technical="Technical",
    tone_friendly="Friendly",
    length_short="Short",
    length_middle="Middle",
    length_long="Long",
    voice_language_question="The question's",
    settings_reading="Reading files",
    settings_max_file="Largest file, in MB",
    settings_seconds="Seconds a file may take",
    settings_memory="Memory a file may take, in MB",
    settings_save="Save",
    settings_saved="Saved.",
    settings_restart="Language, voice and passages count at once; the rest when Cita starts next.",
    settings_fixed="Set by the environment, which goes before cita.toml: {names}.",
    settings_home="Where things are",
    settings_file="Settings file",
    settings_library="Library",
    settings_index="Index",
    settings_embedder="Embedding model",
    settings_version="Version",
    settings_all="All settings in force",
    settings_healthy="The index is healthy",
    settings_history="Keep conversations",
    settings_history_help="In the file conversations.db in this home, readable by you only. Off: nothing is written.",
    settings_forget="Delete all conversations",
    settings_forget_sure="Delete them for good",
    settings_forgotten="All conversations are deleted.",
)

SPANISH = Texts(
    nav_ask="Preguntar",
    nav_library="Biblioteca",
    nav_inspect="Inspección",
    nav_tasks="Tareas",
    nav_evaluate="Evaluar",
    nav_models="Modelos",
    nav_settings="Ajustes",
    tagline="Respuestas de tus propios documentos",
    leaves="Las preguntas y los pasajes se envían a {host}, fuera de este equipo",
    leaves_help="El modelo que responde está en otro equipo, como aceptaste al añadir su servidor. Usa otro modelo en "
    "la página Modelos para terminarlo.",
    leaves_to="Se envía a {host}",
    leaves_if_asked="Nada sale, salvo que preguntes a {host}",
    leaves_if_asked_help="Añadiste un modelo de otro equipo. No se le envía nada antes de que elijas ese modelo, un "
    "perfil con él, o lo compares con otros.",
    private="No sale de este equipo",
    private_help="Tus archivos, preguntas y respuestas nunca salen de este equipo. "
    "La aplicación solo habla consigo misma.",
    documents_one="1 documento",
    documents_many="{n} documentos",
    answers_by="Responde {model}",
    extractive="con citas textuales",
    next_step="Qué hacer:",
    ask_title="¿Qué quieres saber?",
    ask_lead="Pregunta a tus documentos. Cada respuesta muestra el pasaje del que sale.",
    ask_placeholder="Pregunta a tus documentos",
    ask_empty_library="Tu biblioteca está vacía. Añade algunos archivos y vuelve con una pregunta.",
    ask_not_indexed="Tus archivos aún no están indexados. Indéxalos y vuelve con una pregunta.",
    ask_open_library="Abrir la biblioteca",
    ask_try="Prueba con una de estas",
    ask_reading="Leyendo los pasajes",
    ask_searching="Buscando en tus documentos",
    ask_stop="Detener",
    ask_understood="Entendida como: {question}",
    ask_stopped="Detenida. La respuesta está incompleta y sus citas no se comprobaron.",
    ask_thought="Lo que el modelo pensó antes (no es parte de la respuesta ni se comprobó)",
    ask_new="Nuevo chat",
    ask_options="Opciones de búsqueda",
    ask_within="Dónde buscar",
    ask_within_all="Todos los documentos",
    ask_within_help="Carpetas, #etiquetas o archivos. Vacío significa en todas partes.",
    ask_k="Pasajes que se leen",
    ask_k_help="Con más pasajes se encuentra más y se tarda más.",
    ask_all_sources="Todos los documentos",
    ask_some_sources="{n} elegidos",
    ask_passages="{k} pasajes",
    ask_sources="Fuentes",
    ask_open="Abrir",
    ask_copies="Lo mismo en {places}",
    ask_nearest="Los pasajes más cercanos, por si ayudan",
    ask_missing="Nada de lo encontrado habla de: {words}. Añade un documento que lo haga o pregunta con sus palabras.",
    ask_conflict="Las fuentes no coinciden",
    ask_abstain="En caso de duda",
    ask_abstain_help="Estricto calla salvo que poco lo contradiga; servicial responde si puede que esté ahí.",
    ask_strict="Estricto",
    ask_balanced="Equilibrado",
    ask_helpful="Servicial",
    ask_abstained="Ningún pasaje responde a esta pregunta.",
    ask_unsupported="Sin confirmar: esta cita no sostiene lo que se afirma",
    ask_recognised="Reconocido en una imagen, con una seguridad del {percent} %",
    ask_hides="El archivo tiene texto oculto",
    ask_unsupported_sentence="Ningún pasaje lo confirma",
    ask_partly="Confirmado solo en parte",
    ask_invented="Se quitaron {n} citas que no apuntaban a ningún pasaje.",
    ask_timing="{model} · {seconds} s",
    reader_page="página {page}",
    reader_pages="páginas {page}–{page_to}",
    reader_whole="sin números de página",
    reader_passage="El pasaje",
    reader_close="Cerrar",
    reader_image="Página {page} de {file}, con la cita resaltada",
    since_edited="El archivo ha cambiado desde entonces; el pasaje sigue en él",
    since_changed="El archivo ha cambiado desde entonces y el pasaje ya no está en él",
    since_moved="El archivo está ahora en {now}",
    since_gone="El archivo ya no está",
    reader_then="Como era cuando se citó",
    rate_why="¿Por qué?",
    rate_keep_example="Guardar como ejemplo",
    rate_kept_example="Guardado como ejemplo",
    ask_unkept="Esta respuesta no se pudo guardar: {problem}",
    talks="Conversaciones",
    talks_find="Buscar en las conversaciones",
    talks_none="Ninguna tiene estas palabras.",
    talks_more="Mostrar más",
    talks_when="{n} preguntas, la última el {day}",
    talks_options="Cambiar el título, exportar o borrar",
    talks_title="Título",
    talks_export="Exportar",
    talks_delete="Borrar",
    talks_delete_help="Enseguida y para siempre, con sus valoraciones.",
    filter_types="Tipo de archivo",
    filter_languages="Idioma",
    filter_any="Cualquiera",
    filter_since="Desde",
    filter_until="Hasta",
    filter_dates_help="Un año, mes o día, ambos incluidos: 2024, 2024-05 o 2024-05-17. Es la fecha del propio documento"
    " o, si no la tiene, la de su archivo.",
    filter_words='O en la propia pregunta: en:contratos tipo:pdf etiqueta:obra idioma:es desde:2024 "palabras exactas"',
    type_pdf="PDF",
    type_office="Archivos de ofimática",
    type_document="Word y otros documentos de texto",
    type_table="Hojas de cálculo y tablas",
    type_slides="Presentaciones",
    type_mail="Correo",
    type_image="Imágenes",
    type_note="Notas",
    type_text="Texto sin formato",
    type_web="Páginas web",
    type_book="Libros",
    type_markup="Texto con marcado",
    type_code="Código",
    type_data="Datos",
    type_archive="Archivos comprimidos",
    language_en="Inglés",
    language_es="Español",
    inspect_title="Mira una búsqueda por dentro",
    inspect_lead="Qué encuentra una pregunta, por qué cada pasaje está donde está y qué se descartó.",
    inspect_question="Pregunta",
    inspect_words="Palabras de la pregunta",
    inspect_word="pasajes que la tienen: {n} · peso {weight}",
    inspect_hits="Encontrados: {n} de {of} candidatos",
    inspect_dropped="Descartados",
    inspect_hit="Mostrado",
    inspect_other="Descartado",
    inspect_score="Puntuación",
    inspect_lexical="Palabras (BM25)",
    inspect_dense="Significado (coseno)",
    inspect_fused="Ambas juntas",
    inspect_rank="puesto {rank}",
    inspect_not_found="no lo encontró esta parte",
    inspect_distribution="Cómo se distribuyen las puntuaciones de los candidatos",
    inspect_sides="Lo que puntuaron las palabras y el significado de cada candidato",
    inspect_same="Dice lo mismo que el pasaje {n}",
    inspect_steps="{seconds} s: {steps}",
    feature_bm25="palabras (BM25)",
    feature_bm25_over_the_best="palabras, frente al mejor",
    feature_cosine="significado (coseno)",
    feature_cosine_over_the_best="significado, frente al mejor",
    feature_words_with_headings="palabras, con los títulos",
    feature_words_with_what_stands_before="palabras, con lo que va delante",
    feature_best_sentence="palabras en la mejor frase",
    feature_best_two_sentences="palabras en las dos mejores frases",
    feature_words_side_by_side="palabras juntas",
    feature_words_near_each_other="palabras cercanas",
    feature_exact_forms="palabras en la misma forma",
    feature_another_language="en otro idioma",
    feature_source_in_question="la pregunta nombra la fuente",
    feature_neighbours="buenos vecinos",
    feature_mentioned="mencionado por un pasaje mejor",
    feature_cross_encoder="modelo reordenador",
    step_terms="palabras",
    step_filter="filtros",
    step_embed="vector de la pregunta",
    step_lexical="búsqueda por palabras",
    step_dense="búsqueda por significado",
    step_sources="fuentes nombradas",
    step_complete="completar puntuaciones",
    step_fuse="combinar",
    step_collapse="casi duplicados",
    step_rerank="reordenar",
    inspect_queries="Se buscó también: {queries}",
    inspect_rerankers="Modelos reordenadores",
    inspect_measured="{reason}: MRR@10 {before} sin él, {after} con él (p {p}, {n} preguntas), {ms} ms por búsqueda",
    reranker_helps="Activo, porque ayuda",
    reranker_set="Activo, porque rerank.model lo nombra",
    reranker_unmeasured="Inactivo hasta medir si ayuda: en la página Evaluar, o con cita eval FILE",
    reranker_no_gain="Inactivo, porque no ayuda más que el azar",
    reranker_slow="Inactivo, porque ayuda pero tarda más de lo que permite rerank.seconds",
    reranker_not_set="Inactivo, porque así lo dice rerank.model",
    reason_filtered="Solo los filtros lo dejan fuera",
    reason_duplicate="Dice lo mismo que un pasaje de arriba",
    reason_beyond="Otros son mejores",
    library_title="Biblioteca",
    library_lead="Los archivos que lee Cita. Se copian o se leen donde están; nunca se suben a ningún sitio.",
    library_drop="Suelta archivos aquí",
    library_drop_choose="Elegir archivos",
    library_drop_help="Se copian en tu biblioteca y se indexan enseguida. {mb} MB cada uno como máximo.",
    library_stored="{n} en tu biblioteca.",
    library_known="Ya estaban en tu biblioteca: {names}.",
    library_renamed="{name} se guardó como {stored}: otro archivo tiene ese nombre.",
    library_folders="Carpetas",
    library_folders_lead="Se leen donde están. Nada cambia en ellas; quitar una solo la saca del índice.",
    library_folder_path="Ruta de una carpeta de este equipo",
    library_folder_add="Añadir carpeta",
    library_folder_remove="Quitar",
    library_own_folder="Tu biblioteca, siempre indexada",
    library_index="Indexar ahora",
    library_indexing="Indexando",
    library_scanning="Buscando cambios",
    library_files_of="{done} de {files} archivos",
    library_rate="{rate} pasajes/s",
    library_left="quedan {time}",
    library_done="Índice al día: {added} añadidos, {changed} cambiados, {removed} quitados, en {seconds} s.",
    library_unchanged="Índice al día: no había nada más que hacer.",
    library_watching="Tus carpetas están vigiladas: lo que cambia se indexa solo",
    library_polled="sin avisos de cambios, se miran de vez en cuando: {folders}",
    library_last_change="último cambio a las {time}: {added} añadidos, {changed} cambiados, {renamed} movidos, "
    "{removed} quitados",
    library_watch_problem="Ahora mismo no se pudieron indexar tus carpetas: {problem} Cita vuelve a intentarlo sola.",
    library_held="A {folder} le falta de repente la mayoría de sus archivos. Lo que tenía sigue en el índice y se usa "
    "para responder. Conecta su disco; o, si los archivos ya no existen, quítalos del índice.",
    library_held_remove="Quitarlos del índice",
    library_partly="{n} leídos en parte",
    library_recognising="reconocimiento de texto, página {page} de {pages}",
    library_hides="Texto oculto",
    library_hidden="Con texto oculto: {n}",
    library_hidden_lead="Texto que no ve quien lee el documento; alguien puede haberlo puesto para los programas. "
    "Ninguna respuesta lo cita. Solo las hojas, filas, columnas y diapositivas ocultas se leen como el resto.",
    library_hidden_how="Oculto",
    library_hidden_begins="Empieza",
    library_characters="Caracteres",
    hidden_invisible="por su estilo",
    hidden_colour="del color del fondo",
    hidden_tiny="demasiado pequeño para leerlo",
    hidden_outside="fuera de la página",
    hidden_characters="en caracteres invisibles",
    hidden_part="hoja, fila, columna o diapositiva",
    hidden_comment="comentario",
    library_locked="Protegidos con contraseña: {n}",
    library_locked_which="Documento",
    library_locked_password="Contraseña",
    library_locked_open="Abrir",
    library_locked_not_kept="Este sistema no tiene un llavero que guarde la contraseña. El texto sigue en el índice; "
    "si el archivo cambia, se volverá a pedir.",
    library_skipped="{n} omitidos",
    library_failed="{n} con error",
    library_files="Archivos",
    library_passages="Pasajes",
    library_attention="Por revisar",
    library_filter="Mostrar",
    library_filter_all="Todos",
    library_filter_good="Indexados",
    library_filter_bad="Por revisar",
    library_find="Buscar por nombre",
    library_empty="Aún no hay archivos. Suelta algunos arriba o añade una carpeta.",
    library_none_match="Ningún archivo coincide.",
    library_column_file="Archivo",
    library_column_status="Estado",
    library_column_reason="Motivo",
    library_column_pages="Páginas",
    library_column_passages="Pasajes",
    library_column_indexed="Indexado",
    status_indexed="Indexado",
    status_empty="Vacío",
    status_needs_ocr="Necesita OCR",
    status_encrypted="Contraseña",
    status_unsupported="No admitido",
    status_too_large="Muy grande",
    status_failed="Error",
    evaluate_title="¿Qué tal responde?",
    evaluate_lead="Haz preguntas cuya respuesta conoces y mira cuántas veces Cita la encuentra y dónde falla.",
    evaluate_questions="Preguntas",
    evaluate_own="Un archivo mío",
    evaluate_own_lead="Un archivo de texto con una pregunta por línea, cada una un objeto JSON. Solo hace falta la "
    "pregunta; respuestas, archivo y página dicen qué hay que encontrar. Si los documentos no lo "
    'dicen: "unanswerable": true.',
    evaluate_file="Archivo de preguntas",
    evaluate_drafts="Propuestas de mis documentos",
    evaluate_drafts_lead="Las propuestas usan las palabras de los documentos, así que se encuentran mejor que las "
    "preguntas de verdad. Guárdalas, escríbelas con tus palabras y elígelas como archivo tuyo.",
    evaluate_how_many="Cuántas",
    evaluate_draft="Proponer preguntas",
    evaluate_drafting="Leyendo los documentos",
    evaluate_no_drafts="Los documentos no sugieren ninguna pregunta. Escribe algunas.",
    evaluate_save_drafts="Guardar las propuestas",
    evaluate_samples="Las de los ejemplos",
    evaluate_samples_lead="Preguntas sobre los documentos de ejemplo que vienen con Cita.",
    evaluate_rated="Respuestas que valoré",
    evaluate_rated_lead="Las buenas se preguntan otra vez: ¿responde Cita todavía así y cita los mismos lugares? Las "
    "malas se enumeran con tus motivos.",
    evaluate_no_ratings="Aún no has valorado ninguna respuesta. Los pulgares están bajo cada respuesta, en Preguntar.",
    evaluate_rating="Valoración",
    evaluate_good="buena",
    evaluate_bad="mala",
    evaluate_reason="Por qué",
    evaluate_asked="Preguntada el",
    evaluate_measure="Medir los reordenadores",
    evaluate_measure_help="Busca estas preguntas con cada uno y sin él. El que ayuda más que el azar y es bastante "
    "rápido trabaja desde entonces. Hacen falta preguntas con respuestas o archivos.",
    evaluate_k="Pasajes que se miran",
    evaluate_answers="Responder también cada pregunta",
    evaluate_answers_help="Tarda más con un modelo que redacta.",
    evaluate_model="Responde",
    evaluate_start="Hacer {n} preguntas",
    evaluate_start_none="Elige antes las preguntas",
    evaluate_progress="{done} de {total} preguntas",
    evaluate_look="Mirar una",
    evaluate_look_choose="Elige una pregunta",
    evaluate_save_report="Guardar el informe",
    evaluate_save_json="Guardar todo (JSON)",
    tasks_title="¿Qué hago con tus documentos?",
    tasks_lead="Cada frase y cada celda dice de dónde viene. Lo que tarda se puede detener y sigue después.",
    tasks_kind="Tarea",
    tasks_summarise="Resumir",
    tasks_summarise_lead="Lo principal de archivos o carpetas: de cada uno y de todos juntos.",
    tasks_compare="Comparar",
    tasks_compare_lead="Qué cambió entre dos documentos, qué dice solo uno de ellos y qué es lo mismo.",
    tasks_tabulate="Tabla",
    tasks_tabulate_lead="Una fila por documento y, en cada celda, lo que dice sobre la columna.",
    tasks_draft="Borrador",
    tasks_draft_lead="Lo que tienen tus documentos sobre un tema, por apartados.",
    tasks_within="Elige carpetas, #etiquetas o archivos",
    tasks_first="Primer documento",
    tasks_second="Segundo documento",
    tasks_file="Elige un archivo",
    tasks_columns="Columnas, una por línea",
    tasks_columns_help="Un nombre, o un nombre y una pregunta: Preaviso=¿Cuál es el plazo de preaviso?",
    tasks_topic="Tema",
    tasks_sections="Apartados, uno por línea",
    tasks_sections_help="Vacío: los títulos bajo los que tus documentos dicen más.",
    tasks_model="Lo escribe",
    tasks_voice="Cómo se dice",
    tasks_voice_help="Un modelo lo tiene todo en cuenta; sin modelo cuentan la extensión y el idioma de los títulos.",
    tasks_language="Idioma",
    tasks_language_documents="El de los documentos",
    tasks_start="Empezar",
    tasks_go_on="Seguir",
    tasks_stopped="Detenida. Lo hecho se guarda: empieza la misma de nuevo y sigue desde ahí.",
    tasks_stopping="Deteniendo",
    tasks_progress="{done} de {total} partes",
    tasks_more="Y {n} más; el archivo que puedes guardar las tiene todas.",
    tasks_done="{model} · partes: {parts}, ya hechas: {reused} · {seconds} s",
    tasks_save="Guardar como Markdown",
    tasks_save_csv="Guardar como CSV",
    profile="Perfil",
    profile_none="Sin perfil",
    profiles="Perfiles",
    profiles_lead="Maneras de responder con nombre: una rápida para preguntas sencillas, otra más a fondo cuando haga"
    " falta. Lo que un perfil deja vacío queda como está fijado arriba. Cuenta enseguida.",
    profile_new="Perfil nuevo",
    profile_name="Nombre",
    profile_as_set="Como está fijado",
    profile_default="Responde por defecto",
    profile_deeper="Se ofrece bajo una respuesta",
    profile_deeper_help="Un botón bajo cada respuesta hace la misma pregunta con este perfil.",
    profile_delete="Borrar",
    profile_known="Ya hay un perfil {name}.",
    profile_saved="Guardado: {name}.",
    profile_deleted="Borrado: {name}.",
    ask_deeper="Responder otra vez con {profile}",
    nav_compare="Comparar",
    compare_title="Lado a lado",
    compare_lead="Una pregunta a dos modelos o perfiles, con los mismos pasajes. Uno responde después del otro, para"
    " que ninguno le quite tiempo al otro.",
    compare_alone="Solo hay uno que pueda responder. Añade un modelo en la página Modelos o un perfil en Ajustes.",
    compare_first="Primero",
    compare_second="Segundo",
    compare_profile="{name} (perfil)",
    compare_question="Pregunta",
    compare_ask="Preguntar a los dos",
    compare_waits="Espera al primero",
    compare_unkept="Esta comparación no se pudo guardar: {problem}",
    compare_better="Esta es mejor",
    compare_alike="Las dos iguales",
    compare_back="Otro clic lo retira",
    compare_model="Modelo",
    compare_speed="Velocidad",
    compare_seconds="Tiempo",
    compare_read="Tokens",
    compare_tokens="{prompt} leídos ({reused} ya conocidos), {written} escritos",
    compare_sentences="Frases",
    compare_parameters="Se ejecutó con",
    verdict_supported="confirmadas",
    verdict_partly="en parte",
    verdict_unsupported="no",
    compare_record="Hasta ahora",
    compare_record_lead="Todas las comparaciones juntas. Se quedan en este ordenador; se olvidan con las"
    " conversaciones.",
    compare_name="Responde",
    compare_preferred="Mejor",
    compare_questions="Preguntas",
    compare_per_second="Tokens/s",
    compare_abstained="Se abstuvo",
    compare_supported="Frases confirmadas",
    compare_look="Comparaciones anteriores",
    compare_choose="Elige una",
    compare_show="Mostrar",
    compare_open="Comparar dos lado a lado",
    models_title="Modelos",
    models_lead="Lo que escribe las respuestas. Los modelos funcionan en este equipo, salvo que añadas un servidor "
    "de fuera.",
    models_now="Responde ahora",
    models_extractive="Cita las frases de tus documentos que responden a la pregunta. No necesita ningún modelo, "
    "funciona enseguida y no puede inventar nada.",
    models_list="Tus modelos",
    models_use="Usar",
    models_remove="Quitar este modelo",
    models_remove_kept="Cita lo olvida. No se borra nada de él.",
    models_remove_deleted="Se borra su archivo: {path}",
    models_remove_sure="Quitar",
    models_active="En uso",
    models_add="Añadir un modelo",
    models_add_lead="Cualquier archivo GGUF de este equipo, o carpeta de Transformers con safetensors. Se queda "
    "donde está.",
    models_path="Ruta de un archivo .gguf o una carpeta",
    models_add_button="Añadir modelo",
    models_adapter="con {name}, peso {scale}",
    models_adapter_for="Adaptador para",
    models_adapter_help="Un adaptador LoRA (GGUF) funciona con el modelo para el que se hizo: los dos juntos son un"
    " modelo propio.",
    models_no_adapter="Es un modelo",
    models_added="Se añadió {name}.",
    models_parameters="{n} de parámetros",
    models_context="lee {n} tokens",
    on="activada",
    off="desactivada",
    models_runtime=(
        "Aquí usa {threads} hilos, {layers} capas en la tarjeta gráfica, un contexto de {context} tokens en lotes de"
        " {batch}, caché {cache}, flash attention {flash}."
    ),
    models_memory="Ocupa {size} de memoria.",
    runtime_change="Cómo funciona",
    runtime_lead="Lo que dejes a Cita se ajusta a este equipo y a este modelo. Cuenta cuando Cita vuelva a arrancar.",
    runtime_threads="Hilos (0: uno por núcleo)",
    runtime_layers="Capas en la tarjeta gráfica (-1: todas las que quepan)",
    runtime_batch="Lote, en tokens (0: elegido)",
    runtime_cache="Tipo de caché",
    runtime_flash="Flash attention",
    runtime_auto="elegido",
    runtime_saved="Guardado. La línea de arriba muestra cómo funcionará cuando Cita vuelva a arrancar.",
    embedders_title="Lo que encuentra pasajes",
    embedders_lead="Un modelo de vectores. Con otro se leen de nuevo todos los archivos; mientras tanto responde el"
    " anterior.",
    embedders_set="En uso",
    embedders_chosen="Guardado. Cuando Cita vuelva a arrancar se rehace el índice con él; mientras tanto responde el"
    " anterior.",
    fetch_quantisation="Cuantización",
    fetch_embedder="encuentra pasajes",
    fetch_embedder_here="{name} está aquí. Elígelo abajo, en lo que encuentra pasajes.",
    doctor_title="Este equipo",
    doctor_lead="Qué puede ejecutar, qué haría llegar antes las respuestas y qué va mal.",
    doctor_look="Examinar este equipo",
    doctor_looking="Cargando cada motor, midiendo la memoria…",
    doctor_processor="Procesador",
    doctor_cores="{name}, {n} núcleos",
    doctor_memory="Memoria",
    doctor_graphics="Tarjeta gráfica",
    doctor_no_card="ninguna con memoria propia",
    doctor_disk="Disco",
    doctor_free="{size} libres",
    doctor_speed="Velocidad",
    doctor_read="la memoria se lee a {n} GB/s",
    doctor_writes="{name} escribe unos {n} tokens por segundo",
    doctor_card_speed="la de la tarjeta gráfica",
    doctor_not_loading="no se carga: {why}",
    doctor_sound="Todo está bien.",
    live_speed="{n} tokens por segundo",
    live_model="{name} ocupa {size} de memoria",
    live_free="quedan libres {free} de {whole}",
    live_title="En memoria ahora",
    live_machine="Este equipo",
    live_takes="ocupa {size}",
    live_answering="escribiendo",
    models_served="servido por {program}",
    models_a_server="un servidor",
    models_elsewhere="en {host}, fuera de este equipo",
    servers_title="Tu propio servidor",
    servers_lead="Modelos que Ollama, LM Studio, llama-server, vLLM u otro programa sirve en este equipo.",
    servers_look="Buscar servidores en marcha",
    servers_none="No hay ninguno donde suelen escuchar esos programas.",
    servers_url="Dirección de un servidor",
    servers_model="Modelo (todos)",
    servers_model_help="Como lo llama el servidor. Si se deja vacío, se añaden todos sus modelos.",
    servers_key="Clave (ninguna)",
    servers_key_help="Se guarda en un archivo aparte que solo tú puedes leer, y se envía solo a este servidor.",
    servers_consent="El servidor puede estar en otro equipo: mis preguntas, y los pasajes de mis documentos que han de "
    "responderlas, se enviarán entonces allí.",
    servers_refused="{host} no es este equipo, así que no se ha hablado con él. Si tus preguntas y pasajes pueden ir "
    "allí, marca la casilla.",
    models_found="En este equipo",
    models_found_lead="Modelos que guardan otros programas. Se usan donde están, no se copian.",
    models_found_use="Usar este",
    fetch_title="Descargar un modelo",
    fetch_lead="De su repositorio en internet. No se descarga nada más, y solo cuando pulsas el botón.",
    fetch_show="Ver cuál va bien en este equipo",
    fetch_model="Modelo",
    fetch_best="recomendado aquí",
    fetch_many="decenas de idiomas",
    fetch_memory="ocupa unos {size} de memoria",
    fetch_alone="solo cabe si cierras otros programas",
    fetch_too_large="demasiado grande para este equipo",
    fetch_no_hash="Su suma de comprobación no se conoce de antemano: lo que llegue se compara con la del repositorio.",
    fetch_here="Ya está aquí.",
    fetch_go="Conectarse y descargar {size} de {host}",
    fetch_go_on="Conectarse y descargar lo que falta de {size} de {host}",
    fetch_progress="{name}: {done} de {total}",
    fetch_checking="Comprobando {name}: {done} de {total}",
    fetch_stopped="Detenida. Lo que llegó de {name} se guarda: descárgalo otra vez y sigue desde ahí.",
    models_reranker="ordena pasajes, no responde",
    settings_title="Ajustes",
    settings_lead="Se guardan en cita.toml, en tu carpeta de Cita.",
    settings_language="Idioma de la aplicación",
    settings_language_auto="El del navegador",
    settings_answers="Respuestas",
    settings_k="Pasajes que se leen",
    settings_max_tokens="Respuesta más larga, en tokens",
    settings_context="Ventana del modelo, en tokens",
    settings_temperature="Temperatura (con 0 la respuesta es siempre la misma)",
    settings_voice="Voz",
    settings_voice_lead="Cómo se dicen las respuestas. Un modelo lo tiene todo en cuenta; sin modelo solo cuentan la"
    " extensión y el idioma. Lo que una respuesta puede decir, y que cita, no cambia.",
    settings_persona="Quién habla",
    settings_persona_example="la bibliotecaria de un bufete",
    settings_instructions="Instrucciones para carpetas",
    settings_instructions_lead="Se dan a un modelo cuando tiene delante pasajes de la carpeta; / es cualquiera."
    " Vacía una para quitarla; al guardar aparece una línea nueva.",
    settings_folder="Carpeta",
    settings_instruction="Qué tener en cuenta",
    settings_examples="Ejemplos que se muestran a un modelo, como mucho",
    voice_tone="Tono",
    voice_length="Extensión",
    voice_language="Idioma de las respuestas",
    tone_neutral="Neutro",
    tone_formal="Formal",
    tone_plain="Sencillo",
    tone_technical="Técnico",
    tone_friendly="Cercano",
    length_short="Corta",
    length_middle="Media",
    length_long="Larga",
    voice_language_question="El de la pregunta",
    settings_reading="Lectura de archivos",
    settings_max_file="Archivo más grande, en MB",
    settings_seconds="Segundos por archivo",
    settings_memory="Memoria por archivo, en MB",
    settings_save="Guardar",
    settings_saved="Guardado.",
    settings_restart="El idioma, la voz y los pasajes cuentan enseguida; lo demás, cuando Cita vuelva a arrancar.",
    settings_fixed="Fijado por el entorno, que va antes que cita.toml: {names}.",
    settings_home="Dónde están las cosas",
    settings_file="Archivo de ajustes",
    settings_library="Biblioteca",
    settings_index="Índice",
    settings_embedder="Modelo de embeddings",
    settings_version="Versión",
    settings_all="Todos los ajustes en vigor",
    settings_healthy="El índice está sano",
    settings_history="Guardar las conversaciones",
    settings_history_help="En el archivo conversations.db de esta carpeta, que solo tú puedes leer. Si no, no se "
    "escribe nada.",
    settings_forget="Borrar todas las conversaciones",
    settings_forget_sure="Borrarlas para siempre",
    settings_forgotten="Todas las conversaciones se han borrado.",
)

TEXTS: dict[Language, Texts] = {"en": ENGLISH, "es": SPANISH}


def choose_language(setting: str, locale: str | None) -> Language:
    """The app's language: the setting, or with "auto" the browser's locale ("es-MX"); English for any other."""
    wanted = setting if setting != "auto" else (locale or "")
    return "es" if wanted.lower().split("-")[0] == "es" else "en"
