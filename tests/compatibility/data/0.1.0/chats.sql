--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: usechat_approvals; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_approvals (
    key bigint NOT NULL,
    chat bigint NOT NULL,
    id text NOT NULL,
    tool_call_id text NOT NULL,
    tool_name text NOT NULL,
    input_digest text NOT NULL,
    expires_at bigint NOT NULL,
    used_at bigint
);


--
-- Name: usechat_approvals_key_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.usechat_approvals_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: usechat_approvals_key_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.usechat_approvals_key_seq OWNED BY public.usechat_approvals.key;


--
-- Name: usechat_chats; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_chats (
    key bigint NOT NULL,
    owner text NOT NULL,
    id text NOT NULL,
    title text,
    first_text text,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    revision bigint NOT NULL,
    branches integer NOT NULL,
    run_id text
);


--
-- Name: usechat_chats_key_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.usechat_chats_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: usechat_chats_key_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.usechat_chats_key_seq OWNED BY public.usechat_chats.key;


--
-- Name: usechat_messages; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_messages (
    key bigint NOT NULL,
    chat bigint NOT NULL,
    branch integer NOT NULL,
    "position" integer NOT NULL,
    id text NOT NULL,
    role text NOT NULL,
    content text NOT NULL,
    run_id text,
    updated_at bigint NOT NULL
);


--
-- Name: usechat_messages_key_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.usechat_messages_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: usechat_messages_key_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.usechat_messages_key_seq OWNED BY public.usechat_messages.key;


--
-- Name: usechat_steps; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_steps (
    turn bigint NOT NULL,
    number integer NOT NULL,
    model text NOT NULL,
    finish_reason text,
    input bigint,
    output bigint,
    cache_read bigint,
    cache_write bigint,
    thinking bigint
);


--
-- Name: usechat_turns; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_turns (
    key bigint NOT NULL,
    chat bigint NOT NULL,
    run_id text NOT NULL,
    epoch integer NOT NULL,
    message_id text NOT NULL,
    outcome text,
    started_at bigint NOT NULL,
    ended_at bigint
);


--
-- Name: usechat_turns_key_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.usechat_turns_key_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: usechat_turns_key_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.usechat_turns_key_seq OWNED BY public.usechat_turns.key;


--
-- Name: usechat_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usechat_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: usechat_approvals key; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_approvals ALTER COLUMN key SET DEFAULT nextval('public.usechat_approvals_key_seq'::regclass);


--
-- Name: usechat_chats key; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_chats ALTER COLUMN key SET DEFAULT nextval('public.usechat_chats_key_seq'::regclass);


--
-- Name: usechat_messages key; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_messages ALTER COLUMN key SET DEFAULT nextval('public.usechat_messages_key_seq'::regclass);


--
-- Name: usechat_turns key; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_turns ALTER COLUMN key SET DEFAULT nextval('public.usechat_turns_key_seq'::regclass);


--
-- Data for Name: usechat_approvals; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_approvals VALUES (1, 6, 'approval_NGWEs5WQICdqQf1lG9JXRA', 'toolu_1', 'send', 'PkgHXXAImZVVWH8JfXJRfuhn_aaSubOqwXrXmBVGF20', 4102531200000000, NULL);
INSERT INTO public.usechat_approvals VALUES (2, 7, 'approval_6BBv4YlvUhZQRYuNFqPuPw', 'toolu_1', 'send', 'PkgHXXAImZVVWH8JfXJRfuhn_aaSubOqwXrXmBVGF20', 4102531200000000, NULL);
INSERT INTO public.usechat_approvals VALUES (3, 8, 'approval_6XLI4nFzHdtoRechvAHRIA', 'toolu_1', 'send', 'zyI7KNx7XfIPHYnghI3T2vJVRYN6a2V2_WC-nu0o3vg', 4102531200000000, 4102444800000000);
INSERT INTO public.usechat_approvals VALUES (4, 8, 'approval_a-t0KpGsFsfV9LxO9ego9w', 'toolu_2', 'send', 'Lk-OQnxma4M9jXgmMTwhXU3JZBFHcoSfZiiiYSJ65kQ', 4102531200000000, 4102444800000000);
INSERT INTO public.usechat_approvals VALUES (5, 11, 'approval_Y_piyyxnEIogn0vk4w4mUA', 'toolu_1', 'send', 'PkgHXXAImZVVWH8JfXJRfuhn_aaSubOqwXrXmBVGF20', 4102531200000000, NULL);


--
-- Data for Name: usechat_chats; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_chats VALUES (2, '', 'finished', NULL, 'How warm is it in Bern?', 1795890250455622, 1795890250548271, 7, 0, NULL);
INSERT INTO public.usechat_chats VALUES (1, 'ann', 'finished', 'Wetter in Bern', 'How warm is it in Bern?', 1795890250324004, 1795890250417164, 7, 0, NULL);
INSERT INTO public.usechat_chats VALUES (13, 'ann', 'cut', NULL, 'Talk', 1795890263312745, 1795890267684264, 4, 0, NULL);
INSERT INTO public.usechat_chats VALUES (3, 'ann', 'branched', NULL, 'Zähle', 1795890250619602, 1795890250807081, 12, 2, NULL);
INSERT INTO public.usechat_chats VALUES (4, 'ann', 'failed', NULL, 'Fail', 1795890250828882, 1795890250838853, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (5, 'ann', 'stopped', NULL, 'Stop me', 1795890250860813, 1795890250918237, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (6, 'ann', 'approval', NULL, 'Send Bob 2.50', 1795890250940832, 1795890250957680, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (7, '', 'approval', NULL, 'Send Bob 2.50', 1795890250980197, 1795890251000160, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (8, 'ann', 'approved', NULL, 'Send Bob 1, and Eve 100', 1795890251021648, 1795890251117821, 6, 0, NULL);
INSERT INTO public.usechat_chats VALUES (9, 'ann', 'client-tool', NULL, 'Where am I?', 1795890251148608, 1795890251160242, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (10, 'ann', 'interrupted', NULL, 'Weather?', 1795890251191508, 1795890251361502, 4, 0, NULL);
INSERT INTO public.usechat_chats VALUES (11, 'ann', 'approval-v5', NULL, 'Send Bob 2.50', 1795890255676574, 1795890255717483, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (12, 'ann', 'written', NULL, 'Show me', 1795890258989546, 1795890259008418, 3, 0, NULL);
INSERT INTO public.usechat_chats VALUES (14, 'ann', 'running', NULL, 'Weather?', 1795890270193631, 1795890271743725, 3, 0, 'dc11382d6ee299be');
INSERT INTO public.usechat_chats VALUES (15, '', 'running', NULL, 'Weather?', 1795890271806988, 1795890273347663, 3, 0, '4b588151368a1c6b');
INSERT INTO public.usechat_chats VALUES (16, 'ann', 'running-tool', NULL, 'Charge me', 1795890273413524, 1795890274920876, 2, 0, '23df1900b485487e');


--
-- Data for Name: usechat_messages; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_messages VALUES (1, 1, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","metadata":{"sentFrom":"Zürich 🚲"},"parts":[{"type":"text","text":"How warm is it in Bern?"},{"type":"file","mediaType":"image/png","filename":"map.png","url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="},{"type":"file","mediaType":"application/pdf","filename":"plan.pdf","url":"data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK"}]}', NULL, 1795890250327418);
INSERT INTO public.usechat_messages VALUES (2, 1, 0, 1, 'msg_ggv3U-NzCnaWX5vuGo8Flw', 'assistant', '{"id":"msg_ggv3U-NzCnaWX5vuGo8Flw","role":"assistant","metadata":{"usechat.anthropic":{"turns":{"msg_fake_30":{"places":[{"part":"reasoning"},{"part":"call","id":"srvtoolu_1"},{"part":"call","id":"srvtoolu_2"},{"part":"result","id":"srvtoolu_2"},{"part":"result","id":"srvtoolu_1"},{"block":{"type":"container_upload","file_id":"file_kept"}},{"part":"text"}]}},"container":{"id":"container_kept","expires_at":"2100-01-01T00:00:00Z"}},"usage":{"inputTokens":340,"outputTokens":70,"totalTokens":410,"inputTokenDetails":{"noCacheTokens":200,"cacheReadTokens":60,"cacheWriteTokens":80},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}},{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":50,"outputTokenDetails":{},"totalTokens":220,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_29","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"The user asks about Bern.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTE="}}},{"type":"reasoning","id":"1","text":"","state":"done","providerMetadata":{"anthropic":{"redactedData":"cmVkYWN0ZWQtMQ=="}}},{"type":"text","text":"Let me look.","state":"done"},{"type":"tool-weather","toolCallId":"toolu_1","state":"output-available","input":{"city":"Bern"},"output":{"degrees":20}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_30","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"Now the web.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTI="}}},{"type":"tool-web_search","toolCallId":"srvtoolu_1","state":"output-available","providerExecuted":true,"input":{"query":"Bern weather"},"output":[{"pageAge":"1 day","type":"web_search_result","url":"https://example.com/bern","title":"Bern","encryptedContent":"c2VhcmNoLWNvbnRlbnQ="}]},{"type":"tool-code_execution","toolCallId":"srvtoolu_2","state":"output-available","providerExecuted":true,"input":{"type":"bash_code_execution","command":"echo 20"},"output":{"type":"bash_code_execution_result","stdout":"20\n","stderr":"","return_code":0,"content":[]}},{"type":"source-url","sourceId":"msg_fake_30:source-1","url":"https://example.com/bern","title":"Bern","providerMetadata":{"anthropic":{"pageAge":"1 day"}}},{"type":"text","text":"Bern has 20 degrees.","state":"done","citations":[{"source":{"type":"source","sourceType":"url","id":"https://example.com/bern","url":"https://example.com/bern","title":"Bern","providerMetadata":{"anthropic":{"type":"web_search_result_location","url":"https://example.com/bern","title":"Bern","encrypted_index":"Y2l0YXRpb24taW5kZXg=","cited_text":"20 degrees"}}},"citedText":"20 degrees"},{"source":{"type":"source","sourceType":"document","id":"0","mediaType":"application/pdf","title":"plan.pdf","filename":"plan.pdf","providerMetadata":{"anthropic":{"type":"page_location","cited_text":"Plan","document_index":0,"document_title":"plan.pdf","start_page_number":1,"end_page_number":2,"file_id":null}}},"citedText":"Plan"}],"providerMetadata":{"anthropic":{"citations":[{"type":"web_search_result_location","url":"https://example.com/bern","title":"Bern","encrypted_index":"Y2l0YXRpb24taW5kZXg=","cited_text":"20 degrees"},{"type":"page_location","cited_text":"Plan","document_index":0,"document_title":"plan.pdf","start_page_number":1,"end_page_number":2,"file_id":null}]}}},{"type":"source-document","sourceId":"msg_fake_30:source-3","mediaType":"application/pdf","title":"plan.pdf","filename":"plan.pdf","providerMetadata":{"anthropic":{"citedText":"Plan","startPageNumber":1,"endPageNumber":2}}}]}', 'a5dfdd9a42fc9aac', 1795890250371342);
INSERT INTO public.usechat_messages VALUES (3, 1, 0, 2, 'u2', 'user', '{"id":"u2","role":"user","parts":[{"type":"text","text":"Really?"}]}', NULL, 1795890250405882);
INSERT INTO public.usechat_messages VALUES (4, 1, 0, 3, 'msg_J1wpjb4GFCMeUk-B-MnAcg', 'assistant', '{"id":"msg_J1wpjb4GFCMeUk-B-MnAcg","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_31","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Yes, really.","state":"done"}]}', '80b0d244962dd10e', 1795890250416185);
INSERT INTO public.usechat_messages VALUES (5, 2, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","metadata":{"sentFrom":"Zürich 🚲"},"parts":[{"type":"text","text":"How warm is it in Bern?"},{"type":"file","mediaType":"image/png","filename":"map.png","url":"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="},{"type":"file","mediaType":"application/pdf","filename":"plan.pdf","url":"data:application/pdf;base64,JVBERi0xLjQKJSVFT0YK"}]}', NULL, 1795890250459802);
INSERT INTO public.usechat_messages VALUES (6, 2, 0, 1, 'msg_qCwp9aiCUz-L7rMx6frjXQ', 'assistant', '{"id":"msg_qCwp9aiCUz-L7rMx6frjXQ","role":"assistant","metadata":{"usechat.anthropic":{"turns":{"msg_fake_33":{"places":[{"part":"reasoning"},{"part":"call","id":"srvtoolu_1"},{"part":"call","id":"srvtoolu_2"},{"part":"result","id":"srvtoolu_2"},{"part":"result","id":"srvtoolu_1"},{"block":{"type":"container_upload","file_id":"file_kept"}},{"part":"text"}]}},"container":{"id":"container_kept","expires_at":"2100-01-01T00:00:00Z"}},"usage":{"inputTokens":340,"outputTokens":70,"totalTokens":410,"inputTokenDetails":{"noCacheTokens":200,"cacheReadTokens":60,"cacheWriteTokens":80},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}},{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":50,"outputTokenDetails":{},"totalTokens":220,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_32","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"The user asks about Bern.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTE="}}},{"type":"reasoning","id":"1","text":"","state":"done","providerMetadata":{"anthropic":{"redactedData":"cmVkYWN0ZWQtMQ=="}}},{"type":"text","text":"Let me look.","state":"done"},{"type":"tool-weather","toolCallId":"toolu_1","state":"output-available","input":{"city":"Bern"},"output":{"degrees":20}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_33","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"Now the web.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTI="}}},{"type":"tool-web_search","toolCallId":"srvtoolu_1","state":"output-available","providerExecuted":true,"input":{"query":"Bern weather"},"output":[{"pageAge":"1 day","type":"web_search_result","url":"https://example.com/bern","title":"Bern","encryptedContent":"c2VhcmNoLWNvbnRlbnQ="}]},{"type":"tool-code_execution","toolCallId":"srvtoolu_2","state":"output-available","providerExecuted":true,"input":{"type":"bash_code_execution","command":"echo 20"},"output":{"type":"bash_code_execution_result","stdout":"20\n","stderr":"","return_code":0,"content":[]}},{"type":"source-url","sourceId":"msg_fake_33:source-1","url":"https://example.com/bern","title":"Bern","providerMetadata":{"anthropic":{"pageAge":"1 day"}}},{"type":"text","text":"Bern has 20 degrees.","state":"done","citations":[{"source":{"type":"source","sourceType":"url","id":"https://example.com/bern","url":"https://example.com/bern","title":"Bern","providerMetadata":{"anthropic":{"type":"web_search_result_location","url":"https://example.com/bern","title":"Bern","encrypted_index":"Y2l0YXRpb24taW5kZXg=","cited_text":"20 degrees"}}},"citedText":"20 degrees"},{"source":{"type":"source","sourceType":"document","id":"0","mediaType":"application/pdf","title":"plan.pdf","filename":"plan.pdf","providerMetadata":{"anthropic":{"type":"page_location","cited_text":"Plan","document_index":0,"document_title":"plan.pdf","start_page_number":1,"end_page_number":2,"file_id":null}}},"citedText":"Plan"}],"providerMetadata":{"anthropic":{"citations":[{"type":"web_search_result_location","url":"https://example.com/bern","title":"Bern","encrypted_index":"Y2l0YXRpb24taW5kZXg=","cited_text":"20 degrees"},{"type":"page_location","cited_text":"Plan","document_index":0,"document_title":"plan.pdf","start_page_number":1,"end_page_number":2,"file_id":null}]}}},{"type":"source-document","sourceId":"msg_fake_33:source-3","mediaType":"application/pdf","title":"plan.pdf","filename":"plan.pdf","providerMetadata":{"anthropic":{"citedText":"Plan","startPageNumber":1,"endPageNumber":2}}}]}', 'fc13acb53ba0d956', 1795890250505139);
INSERT INTO public.usechat_messages VALUES (7, 2, 0, 2, 'u2', 'user', '{"id":"u2","role":"user","parts":[{"type":"text","text":"Really?"}]}', NULL, 1795890250536638);
INSERT INTO public.usechat_messages VALUES (8, 2, 0, 3, 'msg_rjNGU5uCobjS4nahqN3RAw', 'assistant', '{"id":"msg_rjNGU5uCobjS4nahqN3RAw","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_34","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Yes, really.","state":"done"}]}', '6b90c057312c7c45', 1795890250547340);
INSERT INTO public.usechat_messages VALUES (9, 3, 1, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Count"}]}', NULL, 1795890250620848);
INSERT INTO public.usechat_messages VALUES (22, 7, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Send Bob 2.50"}]}', NULL, 1795890250981910);
INSERT INTO public.usechat_messages VALUES (23, 7, 0, 1, 'msg_StxKx0S3N_I5hB-M8QIEHQ', 'assistant', '{"id":"msg_StxKx0S3N_I5hB-M8QIEHQ","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_42","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"I will send it.","state":"done"},{"type":"tool-send","toolCallId":"toolu_1","state":"approval-requested","input":{"to":"Bob","amount":2.5},"approval":{"id":"approval_6BBv4YlvUhZQRYuNFqPuPw"}}]}', '257c43085e687f43', 1795890250999161);
INSERT INTO public.usechat_messages VALUES (10, 3, 1, 1, 'msg_ngufCkh0xkK4mqQYv8z9nQ', 'assistant', '{"id":"msg_ngufCkh0xkK4mqQYv8z9nQ","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_35","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"One.","state":"done"}]}', '05a6a976163f90ea', 1795890250634698);
INSERT INTO public.usechat_messages VALUES (11, 3, 1, 2, 'u2', 'user', '{"id":"u2","role":"user","parts":[{"type":"text","text":"Go on"}]}', NULL, 1795890250671105);
INSERT INTO public.usechat_messages VALUES (12, 3, 1, 3, 'msg_56MEIPguU0UYsyNH-zMn-Q', 'assistant', '{"id":"msg_56MEIPguU0UYsyNH-zMn-Q","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_36","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Two.","state":"done"}]}', 'c4074f1e287bc4fb', 1795890250679257);
INSERT INTO public.usechat_messages VALUES (13, 3, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Zähle"}]}', NULL, 1795890250718689);
INSERT INTO public.usechat_messages VALUES (14, 3, 2, 1, 'msg_PLiUMbNRHJNuTjGB_QLsJg', 'assistant', '{"id":"msg_PLiUMbNRHJNuTjGB_QLsJg","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_37","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Eins.","state":"done"}]}', '60fb152f7e1f4760', 1795890250728423);
INSERT INTO public.usechat_messages VALUES (15, 3, 0, 1, 'msg_KQnTqDjM6SduPvh7TWCX5A', 'assistant', '{"id":"msg_KQnTqDjM6SduPvh7TWCX5A","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_38","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Eins, again.","state":"done"}]}', '03ad9cc1a8556a0b', 1795890250806196);
INSERT INTO public.usechat_messages VALUES (16, 4, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Fail"}]}', NULL, 1795890250830050);
INSERT INTO public.usechat_messages VALUES (17, 4, 0, 1, 'msg_7aKOOKgKcMPIuXmTqm-BMg', 'assistant', '{"id":"msg_7aKOOKgKcMPIuXmTqm-BMg","role":"assistant","metadata":{"usage":{"inputTokens":10,"outputTokens":2,"totalTokens":12,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":0,"cacheWriteTokens":0},"outputTokenDetails":{},"estimated":true,"steps":[{"model":"claude-sonnet-5-5","usage":{"inputTokens":10,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":0,"cacheWriteTokens":0},"outputTokens":2,"outputTokenDetails":{},"totalTokens":12,"estimated":true}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_39","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Half an","state":"done"}]}', '783eabbffac7028e', 1795890250837833);
INSERT INTO public.usechat_messages VALUES (18, 5, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Stop me"}]}', NULL, 1795890250861834);
INSERT INTO public.usechat_messages VALUES (19, 5, 0, 1, 'msg_Apbxb0TtqIeI215VL5V99A', 'assistant', '{"id":"msg_Apbxb0TtqIeI215VL5V99A","role":"assistant","metadata":{"usage":{"inputTokens":10,"outputTokens":3,"totalTokens":13,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":0,"cacheWriteTokens":0},"outputTokenDetails":{},"estimated":true,"steps":[{"model":"claude-sonnet-5-5","usage":{"inputTokens":10,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":0,"cacheWriteTokens":0},"outputTokens":3,"outputTokenDetails":{},"totalTokens":13,"estimated":true}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_40","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Some words","state":"done"}]}', 'e17cfca42167735f', 1795890250917451);
INSERT INTO public.usechat_messages VALUES (20, 6, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Send Bob 2.50"}]}', NULL, 1795890250942181);
INSERT INTO public.usechat_messages VALUES (21, 6, 0, 1, 'msg_beEH8wh25Dp5kqfzG21eEA', 'assistant', '{"id":"msg_beEH8wh25Dp5kqfzG21eEA","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_41","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"I will send it.","state":"done"},{"type":"tool-send","toolCallId":"toolu_1","state":"approval-requested","input":{"to":"Bob","amount":2.5},"approval":{"id":"approval_NGWEs5WQICdqQf1lG9JXRA"}}]}', '07c2bbc014cc228a', 1795890250956601);
INSERT INTO public.usechat_messages VALUES (24, 8, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Send Bob 1, and Eve 100"}]}', NULL, 1795890251022976);
INSERT INTO public.usechat_messages VALUES (25, 8, 0, 1, 'msg_01Abg6DiFdh5oW_tatok7g', 'assistant', '{"id":"msg_01Abg6DiFdh5oW_tatok7g","role":"assistant","metadata":{"usage":{"inputTokens":340,"outputTokens":40,"totalTokens":380,"inputTokenDetails":{"noCacheTokens":200,"cacheReadTokens":60,"cacheWriteTokens":80},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}},{"model":"claude-sonnet-5-5","finishReason":"stop","stopReason":"end_turn","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_43","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"tool-send","toolCallId":"toolu_1","state":"output-available","input":{"to":"Bob","amount":1},"output":"sent 1 to Bob","approval":{"id":"approval_6XLI4nFzHdtoRechvAHRIA","approved":true}},{"type":"tool-send","toolCallId":"toolu_2","state":"output-denied","input":{"to":"Eve","amount":100},"approval":{"id":"approval_a-t0KpGsFsfV9LxO9ego9w","approved":false,"reason":"Not Eve."}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_44","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Sent to Bob only.","state":"done"}]}', '8da9893ed0486432', 1795890251114952);
INSERT INTO public.usechat_messages VALUES (26, 9, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Where am I?"}]}', NULL, 1795890251150410);
INSERT INTO public.usechat_messages VALUES (27, 9, 0, 1, 'msg_vdJr5hpKatGPKqsuMUeW4Q', 'assistant', '{"id":"msg_vdJr5hpKatGPKqsuMUeW4Q","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_45","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Where are you?","state":"done"},{"type":"tool-locate","toolCallId":"toolu_1","state":"input-available","input":{}}]}', '0d773c5f8e48f44d', 1795890251159465);
INSERT INTO public.usechat_messages VALUES (28, 10, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Weather?"}]}', NULL, 1795890251192848);
INSERT INTO public.usechat_messages VALUES (39, 15, 0, 1, 'msg_-PiG369rjaFgIp1U1I0pEg', 'assistant', '{"id":"msg_-PiG369rjaFgIp1U1I0pEg","role":"assistant","parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_52","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"Hm.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTE="}}},{"type":"tool-weather","toolCallId":"toolu_1","state":"output-available","input":{"city":"Bern"},"output":{"degrees":20}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_53","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"It is 20","state":"streaming"}]}', '4b588151368a1c6b', 1795890273347091);
INSERT INTO public.usechat_messages VALUES (29, 10, 0, 1, 'msg_bXzlcBid4dsbpqq3jwmR8w', 'assistant', '{"id":"msg_bXzlcBid4dsbpqq3jwmR8w","role":"assistant","metadata":{"usage":{"inputTokens":180,"outputTokens":22,"totalTokens":202,"inputTokenDetails":{"noCacheTokens":110,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":true,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}},{"model":"claude-sonnet-5-5","usage":{"inputTokens":10,"inputTokenDetails":{"noCacheTokens":10,"cacheReadTokens":0,"cacheWriteTokens":0},"outputTokens":2,"outputTokenDetails":{},"totalTokens":12,"estimated":true}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_46","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"tool-weather","toolCallId":"toolu_1","state":"output-available","input":{"city":"Bern"},"output":{"degrees":20}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_47","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"It is 20","state":"done"}]}', '607d608d935fcb21', 1795890251358767);
INSERT INTO public.usechat_messages VALUES (30, 11, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Send Bob 2.50"}]}', NULL, 1795890255679557);
INSERT INTO public.usechat_messages VALUES (31, 11, 0, 1, 'msg_bVc8qQoFeUVWkB5C0yAltw', 'assistant', '{"id":"msg_bVc8qQoFeUVWkB5C0yAltw","role":"assistant","metadata":{"usage":{"inputTokens":170,"outputTokens":20,"totalTokens":190,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokenDetails":{},"estimated":false,"steps":[{"model":"claude-sonnet-5-5","finishReason":"tool-calls","stopReason":"tool_use","usage":{"inputTokens":170,"inputTokenDetails":{"noCacheTokens":100,"cacheReadTokens":30,"cacheWriteTokens":40},"outputTokens":20,"outputTokenDetails":{},"totalTokens":190,"estimated":false}}]}},"parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_48","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"I will send it.","state":"done"},{"type":"tool-send","toolCallId":"toolu_1","state":"approval-requested","input":{"to":"Bob","amount":2.5},"approval":{"id":"approval_Y_piyyxnEIogn0vk4w4mUA"}},{"type":"data-usechat-approval","id":"toolu_1","data":{"toolCallId":"toolu_1","toolName":"send","approvalId":"approval_Y_piyyxnEIogn0vk4w4mUA"}}]}', '72c3b7792fe9f796', 1795890255716072);
INSERT INTO public.usechat_messages VALUES (32, 12, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Show me"}]}', NULL, 1795890258992092);
INSERT INTO public.usechat_messages VALUES (33, 12, 0, 1, 'msg_-35mUGzMorZHXmu_uq5yKg', 'assistant', '{"id":"msg_-35mUGzMorZHXmu_uq5yKg","role":"assistant","metadata":{"rating":5},"parts":[{"type":"data-progress","id":"p","data":{"percent":100}},{"type":"step-start"},{"type":"reasoning","id":"1","text":"Which one? ","state":"done"},{"type":"text","text":"Here is the picture.","state":"done"},{"type":"file","mediaType":"image/png","url":"data:image/png;base64,iVBORw0KGgo="},{"type":"source-url","sourceId":"s1","url":"https://example.com/a","title":"A"},{"type":"source-document","sourceId":"s2","mediaType":"application/pdf","title":"Manual","filename":"manual.pdf"},{"type":"dynamic-tool","toolName":"find","toolCallId":"call_1","state":"output-available","title":"Find","input":{"text":"picture"},"output":["one",2,null]},{"type":"dynamic-tool","toolName":"find","toolCallId":"call_2","state":"output-error","input":{"text":"sound"},"errorText":"Nothing was found."},{"type":"text","text":"That is all.","state":"done"},{"type":"step-start"},{"type":"text","text":"","state":"done"}]}', 'e89e0c24211eb1a2', 1795890259007012);
INSERT INTO public.usechat_messages VALUES (34, 13, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Talk"}]}', NULL, 1795890263316390);
INSERT INTO public.usechat_messages VALUES (35, 13, 0, 1, 'msg_K9Wqan51hWU-YE9v_BDeHQ', 'assistant', '{"id":"msg_K9Wqan51hWU-YE9v_BDeHQ","role":"assistant","parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_49","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Half a sentence","state":"done"}]}', '3fc61f935d638bda', 1795890267680055);
INSERT INTO public.usechat_messages VALUES (36, 14, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Weather?"}]}', NULL, 1795890270196908);
INSERT INTO public.usechat_messages VALUES (37, 14, 0, 1, 'msg_CbNqMmFtEH_20TjkuzXDcg', 'assistant', '{"id":"msg_CbNqMmFtEH_20TjkuzXDcg","role":"assistant","parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_50","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"reasoning","id":"0","text":"Hm.","state":"done","providerMetadata":{"anthropic":{"signature":"c2lnbmVkLTE="}}},{"type":"tool-weather","toolCallId":"toolu_1","state":"output-available","input":{"city":"Bern"},"output":{"degrees":20}},{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_51","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"input_tokens":10,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"It is 20","state":"streaming"}]}', 'dc11382d6ee299be', 1795890271743187);
INSERT INTO public.usechat_messages VALUES (38, 15, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Weather?"}]}', NULL, 1795890271810056);
INSERT INTO public.usechat_messages VALUES (40, 16, 0, 0, 'u1', 'user', '{"id":"u1","role":"user","parts":[{"type":"text","text":"Charge me"}]}', NULL, 1795890273414699);
INSERT INTO public.usechat_messages VALUES (41, 16, 0, 1, 'msg_eU7io3aVGjdw6DLr4v4BsA', 'assistant', '{"id":"msg_eU7io3aVGjdw6DLr4v4BsA","role":"assistant","parts":[{"type":"step-start"},{"type":"custom","kind":"anthropic.message_start","providerMetadata":{"anthropic":{"id":"msg_fake_54","model":"claude-sonnet-5-5","usage":{"cache_creation_input_tokens":40,"cache_read_input_tokens":30,"input_tokens":100,"output_tokens":1,"service_tier":"standard"}}}},{"type":"text","text":"Wait.","state":"done"},{"type":"tool-charge","toolCallId":"toolu_1","state":"input-available","input":{"amount":5}}]}', '23df1900b485487e', 1795890274922561);


--
-- Data for Name: usechat_steps; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_steps VALUES (1, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (1, 1, 'claude-sonnet-5-5', 'stop', 100, 50, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (2, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (3, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (3, 1, 'claude-sonnet-5-5', 'stop', 100, 50, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (4, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (5, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (6, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (7, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (8, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (9, 0, 'claude-sonnet-5-5', NULL, 10, 2, 0, 0, NULL);
INSERT INTO public.usechat_steps VALUES (10, 0, 'claude-sonnet-5-5', NULL, 10, 3, 0, 0, NULL);
INSERT INTO public.usechat_steps VALUES (11, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (12, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (13, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (14, 0, 'claude-sonnet-5-5', 'stop', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (15, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (16, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);
INSERT INTO public.usechat_steps VALUES (16, 1, 'claude-sonnet-5-5', NULL, 10, 2, 0, 0, NULL);
INSERT INTO public.usechat_steps VALUES (17, 0, 'claude-sonnet-5-5', 'tool-calls', 100, 20, 30, 40, NULL);


--
-- Data for Name: usechat_turns; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_turns VALUES (21, 15, '4b588151368a1c6b', 0, 'msg_-PiG369rjaFgIp1U1I0pEg', NULL, 1795890271811329, NULL);
INSERT INTO public.usechat_turns VALUES (1, 1, 'a5dfdd9a42fc9aac', 0, 'msg_ggv3U-NzCnaWX5vuGo8Flw', 'finished', 1795890250328714, 1795890250372901);
INSERT INTO public.usechat_turns VALUES (22, 16, '23df1900b485487e', 0, 'msg_eU7io3aVGjdw6DLr4v4BsA', NULL, 1795890273415202, NULL);
INSERT INTO public.usechat_turns VALUES (2, 1, '80b0d244962dd10e', 0, 'msg_J1wpjb4GFCMeUk-B-MnAcg', 'finished', 1795890250406393, 1795890250416635);
INSERT INTO public.usechat_turns VALUES (3, 2, 'fc13acb53ba0d956', 0, 'msg_qCwp9aiCUz-L7rMx6frjXQ', 'finished', 1795890250461548, 1795890250506462);
INSERT INTO public.usechat_turns VALUES (4, 2, '6b90c057312c7c45', 0, 'msg_rjNGU5uCobjS4nahqN3RAw', 'finished', 1795890250537221, 1795890250547794);
INSERT INTO public.usechat_turns VALUES (5, 3, '05a6a976163f90ea', 0, 'msg_ngufCkh0xkK4mqQYv8z9nQ', 'finished', 1795890250621499, 1795890250635180);
INSERT INTO public.usechat_turns VALUES (6, 3, 'c4074f1e287bc4fb', 0, 'msg_56MEIPguU0UYsyNH-zMn-Q', 'finished', 1795890250671486, 1795890250679795);
INSERT INTO public.usechat_turns VALUES (7, 3, '60fb152f7e1f4760', 0, 'msg_PLiUMbNRHJNuTjGB_QLsJg', 'finished', 1795890250719104, 1795890250728816);
INSERT INTO public.usechat_turns VALUES (8, 3, '03ad9cc1a8556a0b', 0, 'msg_KQnTqDjM6SduPvh7TWCX5A', 'finished', 1795890250790991, 1795890250806615);
INSERT INTO public.usechat_turns VALUES (9, 4, '783eabbffac7028e', 0, 'msg_7aKOOKgKcMPIuXmTqm-BMg', 'failed', 1795890250830450, 1795890250838444);
INSERT INTO public.usechat_turns VALUES (10, 5, 'e17cfca42167735f', 0, 'msg_Apbxb0TtqIeI215VL5V99A', 'aborted', 1795890250862265, 1795890250917843);
INSERT INTO public.usechat_turns VALUES (11, 6, '07c2bbc014cc228a', 0, 'msg_beEH8wh25Dp5kqfzG21eEA', 'waiting', 1795890250942760, 1795890250957231);
INSERT INTO public.usechat_turns VALUES (12, 7, '257c43085e687f43', 0, 'msg_StxKx0S3N_I5hB-M8QIEHQ', 'waiting', 1795890250982547, 1795890250999656);
INSERT INTO public.usechat_turns VALUES (13, 8, '60d2607b586129bb', 0, 'msg_01Abg6DiFdh5oW_tatok7g', 'waiting', 1795890251023458, 1795890251038428);
INSERT INTO public.usechat_turns VALUES (14, 8, '8da9893ed0486432', 0, 'msg_01Abg6DiFdh5oW_tatok7g', 'finished', 1795890251097278, 1795890251117087);
INSERT INTO public.usechat_turns VALUES (15, 9, '0d773c5f8e48f44d', 0, 'msg_vdJr5hpKatGPKqsuMUeW4Q', 'waiting', 1795890251151109, 1795890251159849);
INSERT INTO public.usechat_turns VALUES (16, 10, '607d608d935fcb21', 0, 'msg_bXzlcBid4dsbpqq3jwmR8w', 'interrupted', 1795890251194034, 1795890251360850);
INSERT INTO public.usechat_turns VALUES (17, 11, '72c3b7792fe9f796', 0, 'msg_bVc8qQoFeUVWkB5C0yAltw', 'waiting', 1795890255680765, 1795890255716582);
INSERT INTO public.usechat_turns VALUES (18, 12, 'e89e0c24211eb1a2', 0, 'msg_-35mUGzMorZHXmu_uq5yKg', 'finished', 1795890258993503, 1795890259007482);
INSERT INTO public.usechat_turns VALUES (19, 13, '3fc61f935d638bda', 0, 'msg_K9Wqan51hWU-YE9v_BDeHQ', 'interrupted', 1795890263317824, 1795890267683322);
INSERT INTO public.usechat_turns VALUES (20, 14, 'dc11382d6ee299be', 0, 'msg_CbNqMmFtEH_20TjkuzXDcg', NULL, 1795890270198279, NULL);


--
-- Data for Name: usechat_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usechat_version VALUES ('0001');


--
-- Name: usechat_approvals_key_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usechat_approvals_key_seq', 5, true);


--
-- Name: usechat_chats_key_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usechat_chats_key_seq', 16, true);


--
-- Name: usechat_messages_key_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usechat_messages_key_seq', 41, true);


--
-- Name: usechat_turns_key_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usechat_turns_key_seq', 22, true);


--
-- Name: usechat_approvals pk_usechat_approvals; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_approvals
    ADD CONSTRAINT pk_usechat_approvals PRIMARY KEY (key);


--
-- Name: usechat_chats pk_usechat_chats; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_chats
    ADD CONSTRAINT pk_usechat_chats PRIMARY KEY (key);


--
-- Name: usechat_messages pk_usechat_messages; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_messages
    ADD CONSTRAINT pk_usechat_messages PRIMARY KEY (key);


--
-- Name: usechat_steps pk_usechat_steps; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_steps
    ADD CONSTRAINT pk_usechat_steps PRIMARY KEY (turn, number);


--
-- Name: usechat_turns pk_usechat_turns; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_turns
    ADD CONSTRAINT pk_usechat_turns PRIMARY KEY (key);


--
-- Name: usechat_approvals uq_usechat_approvals_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_approvals
    ADD CONSTRAINT uq_usechat_approvals_id UNIQUE (id);


--
-- Name: usechat_chats uq_usechat_chats_owner_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_chats
    ADD CONSTRAINT uq_usechat_chats_owner_id UNIQUE (owner, id);


--
-- Name: usechat_messages uq_usechat_messages_chat_branch_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_messages
    ADD CONSTRAINT uq_usechat_messages_chat_branch_id UNIQUE (chat, branch, id);


--
-- Name: usechat_messages uq_usechat_messages_chat_branch_position; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_messages
    ADD CONSTRAINT uq_usechat_messages_chat_branch_position UNIQUE (chat, branch, "position");


--
-- Name: usechat_turns uq_usechat_turns_run_id; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_turns
    ADD CONSTRAINT uq_usechat_turns_run_id UNIQUE (run_id);


--
-- Name: usechat_version usechat_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_version
    ADD CONSTRAINT usechat_version_pkc PRIMARY KEY (version_num);


--
-- Name: ix_usechat_approvals_chat; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usechat_approvals_chat ON public.usechat_approvals USING btree (chat);


--
-- Name: ix_usechat_chats_owner_updated_at_key; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usechat_chats_owner_updated_at_key ON public.usechat_chats USING btree (owner, updated_at, key);


--
-- Name: ix_usechat_turns_chat; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usechat_turns_chat ON public.usechat_turns USING btree (chat);


--
-- Name: ix_usechat_turns_open; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usechat_turns_open ON public.usechat_turns USING btree (key) WHERE (outcome IS NULL);


--
-- Name: usechat_approvals fk_usechat_approvals_chat; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_approvals
    ADD CONSTRAINT fk_usechat_approvals_chat FOREIGN KEY (chat) REFERENCES public.usechat_chats(key) ON DELETE CASCADE;


--
-- Name: usechat_messages fk_usechat_messages_chat; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_messages
    ADD CONSTRAINT fk_usechat_messages_chat FOREIGN KEY (chat) REFERENCES public.usechat_chats(key) ON DELETE CASCADE;


--
-- Name: usechat_steps fk_usechat_steps_turn; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_steps
    ADD CONSTRAINT fk_usechat_steps_turn FOREIGN KEY (turn) REFERENCES public.usechat_turns(key) ON DELETE CASCADE;


--
-- Name: usechat_turns fk_usechat_turns_chat; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usechat_turns
    ADD CONSTRAINT fk_usechat_turns_chat FOREIGN KEY (chat) REFERENCES public.usechat_chats(key) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--
